// The lab's guest agent: serves exec and connect on the virtio-serial port that only a lab machine has.
// Its unit requires a virtual machine and that port, so it never starts on a real device with the same image.

import { localDoors } from "../../../system/doors.ts";
import { makeLog } from "../../../system/log.ts";
import { serveChannel } from "../channel/server.ts";
import { openPort } from "./port.ts";

const path = process.argv[2] ?? "/dev/virtio-ports/org.hamlet.lab";
const log = makeLog("lab");
const port = await openPort(path);
port.on("error", (error) => {
  log.error(`the port broke: ${error.message}`);
  // A read or write may still sit in the kernel; systemd restarts this process.
  process.exit(1);
});
const leave = serveChannel(port, localDoors);
process.on("SIGTERM", async () => {
  // While no host is connected, a write may wait for ever.
  setTimeout(() => process.exit(0), 1_000).unref();
  await leave();
  process.exit(0);
});
log.info(`serving the lab on ${path}`);
