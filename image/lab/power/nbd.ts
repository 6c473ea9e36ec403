// Writes to a disk image of any format: QEMU's own server opens it, and we speak its protocol (NBD, doc/proto.md of the nbd project).
import { mkdtemp, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeError, HamletError } from "../../../system/error.ts";
import { startDaemon } from "../../../system/program.ts";
import { connectTo } from "../../../system/unix-socket.ts";

export type DiskWriter = {
  write(offset: number, bytes: Buffer): Promise<void>;
  /** Resolves when all is in the file. */
  close(): Promise<void>;
};

const magic = { hello: "NBDMAGIC", options: "IHAVEOPT", request: 0x25609513, reply: 0x67446698 };
const exportName = 1;
const command = { write: 1, disconnect: 2, flush: 3 };
/** Fixed newstyle, and no padding after the answer to exportName. */
const clientFlags = 3;
const replyBytes = 16;

/** Opens a qcow2 image. */
export async function openDisk(disk: string): Promise<DiskWriter> {
  // The server wants an absolute path, and a unix socket's may have only 107 bytes.
  const folder = await mkdtemp(join(tmpdir(), "hamlet-disk-"));
  try {
    return await openWith(disk, join(folder, "nbd"));
  } finally {
    // Connected by now.
    await rm(folder, { recursive: true, force: true });
  }
}

async function openWith(disk: string, socket: string): Promise<DiskWriter> {
  // No cache mode that waits for this computer's own disk: a power cut of this computer ends the lab anyway.
  let connected: Socket | undefined;
  const server = await startDaemon(["qemu-nbd", "--format=qcow2", "--cache=unsafe", `--socket=${socket}`, disk], {
    // It serves one client only, so the connection that shows that it listens is the one to use.
    async isReady() {
      connected = await connectTo(socket);
      return connected !== undefined;
    },
    onOurDeath: "KILL",
  }).catch((cause: Error) => {
    throw refused(`cannot be opened: ${cause.message}`, cause);
  });
  const connection = connected!;
  const read = reader(connection);
  try {
    // It listens before it has opened the image.
    await shakeHands(connection, read);
  } catch (cause) {
    await server.stop();
    throw refused(`cannot be opened: ${server.lastWords() || describeError(cause)}`, cause);
  }
  const ask = async (type: number, offset: number, bytes?: Buffer, length = bytes?.length ?? 0) => {
    const head = Buffer.alloc(28);
    head.writeUInt32BE(magic.request, 0);
    head.writeUInt16BE(type, 6);
    head.writeBigUInt64BE(BigInt(offset), 16);
    head.writeUInt32BE(length, 24);
    connection.write(bytes ? Buffer.concat([head, bytes]) : head);
    if (type === command.disconnect) return;
    const reply = await read(replyBytes);
    const error = reply.readUInt32BE(4);
    if (reply.readUInt32BE(0) !== magic.reply || error !== 0) throw refused(`refuses a write: error ${error}`);
  };
  return {
    write: (offset, bytes) => ask(command.write, offset, bytes),
    async close() {
      await ask(command.flush, 0);
      await ask(command.disconnect, 0);
      // The server ends after its last client, and only then others may open the image.
      await server.end;
      connection.destroy();
    },
  };
}

async function shakeHands(connection: Socket, read: (bytes: number) => Promise<Buffer>): Promise<void> {
  const hello = await read(18);
  const isServer = hello.toString("latin1", 0, 8) === magic.hello && hello.toString("latin1", 8, 16) === magic.options;
  if (!isServer) throw refused("is served by another program");
  const answer = Buffer.alloc(20);
  answer.writeUInt32BE(clientFlags, 0);
  answer.write(magic.options, 4, "latin1");
  answer.writeUInt32BE(exportName, 12);
  connection.write(answer);
  // Size and flags.
  await read(10);
}

/** Reads exactly so many bytes. Throws when the connection ends before. */
function reader(connection: Socket): (bytes: number) => Promise<Buffer> {
  let unread: Buffer = Buffer.alloc(0);
  let isOver = false;
  let wake = () => {};
  connection.on("error", () => {});
  connection.on("data", (bytes: Buffer) => {
    unread = Buffer.concat([unread, bytes]);
    wake();
  });
  connection.on("close", () => {
    isOver = true;
    wake();
  });
  return async (bytes) => {
    while (unread.length < bytes) {
      if (isOver) throw refused("is no longer served");
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const wanted = unread.subarray(0, bytes);
    unread = unread.subarray(bytes);
    return wanted;
  };
}

const refused = (why: string, cause?: unknown): HamletError =>
  new HamletError("lab.machineRefused", `a virtual disk ${why}`, {
    cause,
    hint: "start the lab again: hamlet lab down, then hamlet lab up",
  });
