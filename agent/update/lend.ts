// Lends the updater, which has no network, the bytes that it names: files as they are, objects and frames of packs unpacked. It does not
// matter here whether they come from a repository or from other members.
import { unpackObject, unpackPatch } from "../../ota/format/unpack.ts";
import type { BytesRequest, PackedRequest } from "../../provisioning/handover/update.ts";
import { HamletError } from "../../system/error.ts";
import { free } from "../../system/free.ts";
import { makeQueue } from "../../system/queue.ts";
import { isRightFile, type Wanted } from "../swarm/question.ts";
import type { Swarm } from "../swarm/swarm.ts";

/** Empties the dictionary. */
export type Unpack = PackedRequest & { kind: "packed"; dictionary: Buffer };
/** Throws what Swarm.obtain throws. `onCarried`: what the line to the web carried; the mesh costs nothing. */
export type Lend = (
  request: BytesRequest | Unpack,
  how: { signal: AbortSignal; onCarried(bytes: number): void },
) => Promise<Buffer>;

export type LendOptions = {
  swarm: Pick<Swarm, "obtain">;
  /** Throws if the owner's settings forbid it now to fetch chunks from there. */
  checkCost(from: "members" | "web"): void;
  /** The updater is given a file. It may empty the bytes. */
  onFile?(path: string, bytes: Buffer): void;
  /** Each lane holds the bytes of one request. Four hide the way to the repository; on a line with a limit one is as fast. */
  lanes?: number;
};

export function makeLend({ swarm, checkCost, onFile, lanes = 4 }: LendOptions): Lend {
  const queues = Array.from({ length: lanes }, makeQueue);
  let turn = 0;
  return (request, how) => {
    turn = (turn + 1) % lanes;
    return queues[turn]!(async () => {
      how.signal.throwIfAborted();
      if (request.kind === "file") {
        const bytes = await swarm.obtain(request, { ...how, checkCost() {} }, openFile(request.path));
        onFile?.(request.path, bytes);
        return bytes;
      }
      checkCost("members");
      const { wanted, open } = opening(request);
      const done = () => request.kind === "packed" && free(request.dictionary);
      return swarm.obtain(wanted, { ...how, checkCost: () => checkCost("web") }, open).finally(done);
    });
  };
}

function opening(request: Exclude<BytesRequest, { kind: "file" }> | Unpack) {
  if (request.kind === "object") {
    return { wanted: request satisfies Wanted, open: (bytes: Buffer) => unpackObject(bytes, request) };
  }
  const { dictionary, ...wanted } = request;
  return { wanted: wanted satisfies Wanted, open: (bytes: Buffer) => unpackPatch(bytes, request, dictionary) };
}

const openFile = (path: string) => async (bytes: Buffer) => {
  if (isRightFile(path, bytes) === false) throw new HamletError("update.badObject", `${path} has another digest`);
  return Buffer.from(bytes);
};
