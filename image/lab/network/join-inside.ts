// The first process of a joined host's namespaces: makes the network card, runs the command, and takes all down by its end.
import { type ChildProcess, spawn } from "node:child_process";
import { basename } from "node:path";
import { sleep } from "../../../system/clock.ts";
import { run } from "../../../system/command.ts";
import { describeError, HamletError } from "../../../system/error.ts";
import { printableLines } from "../../../system/printable.ts";
import { startAvahi } from "./avahi.ts";
import type { JoinOrder } from "./join.ts";

/** What people see in `ip link`. */
const card = "lan0";
const cardDeadlineMs = 10_000;

const order = JSON.parse(process.argv[2] ?? "") as JoinOrder;
try {
  await makeCard(order);
  if (basename(order.argv[0] ?? "").startsWith("avahi-")) await startAvahi(card);
  process.exit(await runCommand(order.argv));
} catch (error) {
  for (const line of printableLines(`hamlet: ${describeError(error)}`)) console.error(line);
  process.exit(1);
}

/** QEMU, with no machine in it, is the wire between the hub's socket and a TAP device: no program more to install. */
async function makeCard({ folder, socket, address }: JoinOrder): Promise<void> {
  const bridge = spawn(
    "qemu-system-x86_64",
    [
      ...["-machine", "none", "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none"],
      ...["-netdev", `tap,id=card,ifname=${card},script=no,downscript=no,vnet_hdr=off`],
      ...["-netdev", `stream,id=lan,server=off,addr.type=unix,addr.path=${socket}`],
      ...["-netdev", "hubport,id=near,hubid=0,netdev=card", "-netdev", "hubport,id=far,hubid=0,netdev=lan"],
    ],
    { cwd: folder, stdio: ["ignore", "ignore", "pipe"] },
  );
  await cardOf(bridge);
  await run(["ip", "link", "set", "lo", "up"]);
  await run(["ip", "address", "add", address, "dev", card]);
  await run(["ip", "link", "set", card, "up"]);
}

/** Resolves when the card is there; throws `lab.joinFailed` with what QEMU said. */
async function cardOf(bridge: ChildProcess): Promise<void> {
  let told = "";
  let hasEnded = false;
  bridge.stderr?.setEncoding("utf8").on("data", (text: string) => {
    told = (told + text).slice(-1_000);
  });
  bridge.on("error", (error) => {
    told = error.message;
    hasEnded = true;
  });
  bridge.on("exit", () => {
    hasEnded = true;
  });
  const deadline = performance.now() + cardDeadlineMs;
  while (!(await hasCard())) {
    if (hasEnded || performance.now() > deadline) {
      throw new HamletError("lab.joinFailed", `no network card on the lab's LAN: ${told.trim() || "no answer"}`, {
        hint: "TAP devices need /dev/net/tun, and without root user namespaces must be allowed",
      });
    }
    await sleep(20);
  }
}

/** Asked of the kernel: /sys still shows the outer namespace. */
async function hasCard(): Promise<boolean> {
  return run(["ip", "link", "show", "dev", card]).then(
    () => true,
    () => false,
  );
}

function runCommand([file = "", ...args]: string[]): Promise<number> {
  const child = spawn(file, args, { stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.on("error", (cause) => reject(new HamletError("command.missing", `cannot start ${file}`, { cause })));
    child.on("exit", (code) => resolve(code ?? 130));
  });
}
