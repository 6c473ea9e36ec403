// Lends the updater, which has no network, the bytes that it names: files as they are, objects and frames of packs unpacked.
import { maxRecipeBytes } from "../../ota/format/manifest.ts";
import { objectPath } from "../../ota/format/names.ts";
import { maxFrameBytes, unpackObject, unpackPatch } from "../../ota/format/unpack.ts";
import type { BytesRequest, PackedRequest } from "../../provisioning/handover/update.ts";
import { free } from "../../system/free.ts";
import { makeQueue } from "../../system/queue.ts";
import type { Repositories } from "./fetch.ts";
import type { Packs } from "./packs.ts";

/** Empties the dictionary. */
export type Unpack = PackedRequest & { kind: "packed"; dictionary: Buffer };
/** Throws what Repositories.fetch throws. */
export type Lend = (
  request: BytesRequest | Unpack,
  how: { signal: AbortSignal; onCarried(bytes: number): void },
) => Promise<Buffer>;

/** Whatever the updater names, this agent holds no more at once: the largest recipe. */
const mostBytes = maxRecipeBytes;
export type LendOptions = {
  repositories: Repositories;
  packs: Packs;
  /** Throws if the owner's settings forbid it now to fetch chunks. */
  checkCost(): void;
  /** Each lane holds the bytes of one request. Four hide the way to the repository; on a line with a limit one is as fast. */
  lanes?: number;
};

export function makeLend({ repositories, packs, checkCost, lanes = 4 }: LendOptions): Lend {
  const queues = Array.from({ length: lanes }, makeQueue);
  let turn = 0;
  return (request, how) => {
    turn = (turn + 1) % lanes;
    return queues[turn]!(() => {
      how.signal.throwIfAborted();
      if (request.kind === "file") {
        const maxBytes = Math.min(request.maxBytes, mostBytes);
        return repositories.fetch(request.path, { ...how, maxBytes, isNamedByDigest: false, accept: (bytes) => bytes });
      }
      checkCost();
      if (request.kind === "packed") {
        const { dictionary } = request;
        const accept = (bytes: Buffer) => unpackPatch(bytes, request, dictionary).finally(() => free(bytes));
        return packs.frame(request, how, accept).finally(() => free(dictionary));
      }
      return repositories.fetch(objectPath(request.sha256), {
        ...how,
        maxBytes: maxFrameBytes(Math.min(request.sizeBytes, mostBytes)),
        isNamedByDigest: true,
        accept: (bytes) => unpackObject(bytes, request).finally(() => free(bytes)),
      });
    });
  };
}
