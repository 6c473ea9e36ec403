// Brings frames of packs: each by a range of the repository's file, or, where no server has ranges, from the whole pack, which is then
// fetched once into a file, if that is less than all single chunks.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rm, stat } from "node:fs/promises";
import { readFully } from "../../image/disk/read-at.ts";
import { packPath } from "../../ota/format/names.ts";
import type { PackedRequest } from "../../provisioning/handover/update.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { makeQueue } from "../../system/queue.ts";
import type { FetchOptions, Repositories } from "./fetch.ts";

export type Packs = {
  /** Throws what `accept` and Repositories.fetch throw. `update.noRanges`: the pack can be had neither in parts nor whole. */
  frame<T>(request: PackedRequest, how: How, accept: (frame: Buffer) => Promise<T>): Promise<T>;
  /** Removes the pack that is kept: no update needs it. */
  forget(): Promise<void>;
};
type How = Pick<FetchOptions<unknown>, "signal" | "onCarried" | "isForAnother" | "mayLack">;
type Pack = PackedRequest["pack"];

/** The pack of a large update, with a new kernel and some hundred packages, has a fifth of it. */
const maxKeptBytes = 64 << 20;
/** Each time a part of the pack was fetched in vain. */
const maxFailures = 2;

/** `path` is where a whole pack is kept. */
export function makePacks({ repositories, path }: { repositories: Repositories; path: string }): Packs {
  const inTurn = makeQueue();
  let kept: string | undefined;
  /** By size too: who asks for another member may have been told a wrong one. */
  let failed = { sha256: "", sizeBytes: 0, count: 0 };
  /** One of an agent before this one, too. */
  let mayBeThere = true;

  async function keep(pack: Pack, how: How): Promise<void> {
    how.signal.throwIfAborted();
    if (kept === pack.sha256) return;
    if (failed.sha256 !== pack.sha256 || failed.sizeBytes !== pack.sizeBytes) failed = { ...pack, count: 0 };
    if (failed.count >= maxFailures) throw notWhole("it was fetched in vain");
    mayBeThere = true;
    kept = undefined;
    if (!(await isAt(path, pack))) await fetchWhole(pack, how);
    kept = pack.sha256;
  }

  async function fetchWhole(pack: Pack, how: How): Promise<void> {
    // Without this one, a full disk would look like a bad connection.
    const full = new AbortController();
    const file = await open(path, "w", 0o600).catch((cause: unknown) => {
      throw notWhole(describeError(cause));
    });
    try {
      await repositories.fetch(packPath(pack.sha256), {
        ...{ ...how, maxBytes: pack.sizeBytes, isNamedByDigest: true },
        signal: AbortSignal.any([how.signal, full.signal]),
        async into(piece, at) {
          try {
            // Another repository's file, or the same one once more, may be shorter.
            if (at === 0) await file.truncate();
            await file.write(piece, 0, piece.length, at);
          } catch (cause) {
            full.abort(notWhole(describeError(cause)));
            throw cause;
          }
        },
        async accept() {
          if (!(await isAt(path, pack))) throw new HamletError("update.badObject", "a pack has another content");
        },
      });
    } catch (error) {
      if (how.signal.aborted) throw error;
      const isPassing = error instanceof HamletError && error.code === "update.unreachable";
      failed.count += isPassing ? 1 : maxFailures;
      throw isPassing ? error : notWhole(describeError(error));
    } finally {
      await file.close();
    }
  }

  async function readKept({ frame }: PackedRequest): Promise<Buffer> {
    const file = await open(path, "r");
    try {
      return await readFully(file, Buffer.alloc(frame.length), frame.offset);
    } finally {
      await file.close();
    }
  }

  return {
    async frame(request, how, accept) {
      const { pack, frame, insteadBytes } = request;
      if (kept !== pack.sha256) {
        const range = { ...frame, ofBytes: pack.sizeBytes };
        const options = { ...how, maxBytes: frame.length, isNamedByDigest: true, range, accept };
        try {
          return await repositories.fetch(packPath(pack.sha256), options);
        } catch (error) {
          const isWhole = error instanceof HamletError && error.code === "update.noRanges";
          if (!isWhole || pack.sizeBytes > Math.min(insteadBytes, maxKeptBytes)) throw error;
        }
        await inTurn(() => keep(pack, how));
      }
      const bytes = await readKept(request).catch((cause: unknown) => {
        kept = undefined;
        throw notWhole(describeError(cause));
      });
      return accept(bytes);
    },
    forget: () =>
      inTurn(async () => {
        kept = undefined;
        failed = { sha256: "", sizeBytes: 0, count: 0 };
        if (mayBeThere) await rm(path, { force: true });
        mayBeThere = false;
      }),
  };
}

const notWhole = (why: string): HamletError =>
  new HamletError("update.noRanges", `no repository sends parts of the pack, and whole it cannot be had: ${why}`);

async function isAt(path: string, { sha256, sizeBytes }: Pack): Promise<boolean> {
  try {
    if ((await stat(path)).size !== sizeBytes) return false;
    const digest = createHash("sha256");
    for await (const piece of createReadStream(path)) digest.update(piece as Buffer);
    return digest.digest("hex") === sha256;
  } catch {
    return false;
  }
}
