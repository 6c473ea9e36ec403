// Saves a machine's memory and device state to a file: by QEMU's migration, to our socket instead of another host.
import { createReadStream, createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { constants, createZstdCompress, createZstdDecompress } from "node:zlib";
import { z } from "zod";
import { sleep } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import type { Qmp } from "../machine/qmp.ts";
import { socketPath } from "../network/sockets.ts";

/** QEMU's default limit is 128 MiB/s, and the machine is paused meanwhile. */
const bytesPerSecond = 1e12;
const pollMs = 20;
// The fastest level halves the writing time and leaves a quarter of the bytes.
const params = { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 };

const Migration = z.object({ status: z.string(), "error-desc": z.string().optional() });

/** Writes a paused machine's state to the new file `target`. `socket` is an unused name in `folder`, QEMU's working folder. */
export async function saveRam(qmp: Qmp, folder: string, socket: string, target: string): Promise<void> {
  const server = createServer();
  let incoming: Socket | undefined;
  const written = new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.once("connection", (connection) => {
      incoming = connection;
      const file = createWriteStream(target, { flags: "wx", mode: 0o600, flush: true });
      pipeline(connection, createZstdCompress({ params }), file).then(resolve, reject);
    });
  });
  try {
    await new Promise<void>((resolve) => server.listen(socketPath(folder, socket), resolve));
    await qmp("migrate-set-parameters", { "max-bandwidth": bytesPerSecond });
    await qmp("migrate", { uri: `unix:${socket}` });
    // The error of writing the file says more than QEMU's broken socket.
    const migrated = migrationEnd(qmp).catch((why: unknown) => why);
    await Promise.race([written, migrated.then((why) => (why === undefined ? written : Promise.reject(why)))]);
    const why = await migrated;
    if (why !== undefined) throw why;
  } finally {
    written.catch(() => {});
    incoming?.destroy();
    server.close();
  }
}

/** Loads the state in `source` into a machine that waits for one (`-incoming defer`); it stays paused. */
export async function loadRam(qmp: Qmp, folder: string, socket: string, source: string): Promise<void> {
  await qmp("migrate-incoming", { uri: `unix:${socket}` });
  const outgoing = connect(socketPath(folder, socket));
  try {
    await pipeline(createReadStream(source), createZstdDecompress(), outgoing);
    await migrationEnd(qmp);
  } finally {
    outgoing.destroy();
    await rm(socketPath(folder, socket), { force: true });
  }
}

/** Resolves when the migration is complete. Throws `lab.machineRefused`. */
async function migrationEnd(qmp: Qmp): Promise<void> {
  for (;;) {
    const { status, "error-desc": why } = Migration.parse(await qmp("query-migrate"));
    if (status === "completed") return;
    if (status === "failed" || status === "cancelled") {
      throw new HamletError("lab.machineRefused", `QEMU could not transfer the machine's state: ${why ?? status}`);
    }
    await sleep(pollMs);
  }
}
