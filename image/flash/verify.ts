// Reads the written data back from the medium and compares its hashes.
import { hash } from "node:crypto";
import { HamletError } from "../../system/error.ts";
import type { Progress } from "../../system/progress.ts";
import type { BlockDevice } from "./block-device.ts";
import type { Extent } from "./needed.ts";
import { Buffers } from "./pieces.ts";

/** No longer than a piece. */
export type Written = Extent & { sha256: string };

/** Two at once keep a drive busy while a third is hashed. */
const readAheads = 3;

/**
 * Throws `flash.verifyFailed` with the place, `flash.deviceFailed`, and the reason of `signal`; or the error that `other` returns
 * for a part that differs.
 */
export async function verify(
  device: BlockDevice,
  written: readonly Written[],
  progress: Progress,
  signal: AbortSignal | undefined,
  other: (part: Written) => Promise<unknown> = async () => undefined,
): Promise<void> {
  await device.dropCache();
  const buffers = new Buffers(readAheads);
  const coming: Promise<string>[] = [];
  let done = 0;
  for (const [index, part] of written.entries()) {
    for (const { offset, length } of written.slice(index + coming.length, index + readAheads)) {
      const reading = buffers.take().then(async (buffer) => {
        const bytes = buffer.subarray(0, length);
        await device.read(bytes, offset);
        const sha256 = hash("sha256", bytes, "hex");
        buffers.give(buffer);
        return sha256;
      });
      reading.catch(() => {});
      coming.push(reading);
    }
    const sha256 = await coming.shift();
    signal?.throwIfAborted();
    if (sha256 !== part.sha256) {
      const fault = await other(part);
      if (fault !== undefined) throw fault;
      throw new HamletError(
        "flash.verifyFailed",
        `${device.path} returns other bytes than were written, between byte ${part.offset} and ${part.offset + part.length}`,
        { hint: "the card is broken or smaller than it says: use another one" },
      );
    }
    done += part.length;
    progress.at(done);
  }
}
