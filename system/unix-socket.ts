// Whether somebody listens on a Unix socket. That its file is there does not tell: it appears a moment before its program listens, and
// stays after a program that was killed.
import { connect, type Socket } from "node:net";

/** An open connection, or undefined if nobody listens there or answers within a second. */
export function connectTo(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const fail = () => {
      socket.destroy();
      resolve(undefined);
    };
    socket.setTimeout(1_000, fail);
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.setTimeout(0).off("error", fail);
      resolve(socket);
    });
  });
}

export async function isListening(path: string): Promise<boolean> {
  const socket = await connectTo(path);
  socket?.on("error", () => {}).destroy();
  return socket !== undefined;
}
