// The host's end of a machine's virtio-serial port. QEMU makes the socket a moment after it starts.
import { connect, type Socket } from "node:net";
import type { Doors } from "../../../system/doors.ts";
import { HamletError } from "../../../system/error.ts";
import { type Channel, openChannel } from "./client.ts";

export type MachineChannel = Doors & { isReady(): boolean; close(): void };

const retryMs = 200;

/**
 * Connects to the socket at `path` as soon as it exists, and reconnects when it breaks, until closed. Calls `onReady` whenever the
 * service behind it answers again.
 */
export function openMachineChannel(path: string, onReady: () => void = () => {}): MachineChannel {
  let channel: Channel | undefined;
  let socket: Socket | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  const attempt = () => {
    socket = connect(path);
    const mine = socket;
    mine.on("error", () => {});
    mine.on("connect", () => {
      channel = openChannel(mine);
      channel.onReady(onReady);
    });
    mine.on("close", () => {
      channel = undefined;
      if (!isClosed) timer = setTimeout(attempt, retryMs);
    });
  };
  attempt();

  const ready = (): Channel => {
    if (channel?.isReady()) return channel;
    throw new HamletError("lab.execFailed", "the device's guest agent does not answer yet", {
      hint: "hamlet lab status shows the device's progress",
    });
  };
  return {
    isReady: () => channel?.isReady() ?? false,
    exec: (request) => ready().exec(request),
    connect: (path) => ready().connect(path),
    close() {
      isClosed = true;
      clearTimeout(timer);
      socket?.destroy();
    },
  };
}
