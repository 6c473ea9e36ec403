// The threads of a publisher: they use the cores that its own thread leaves idle.
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { type ErrorCode, HamletError } from "../../../system/error.ts";
import { programFile } from "../../../system/package.ts";
import { cacheFolder } from "../../../system/paths.ts";
import type { Source } from "../source.ts";
import type { PatchFrame, PatchTask, Task } from "./tasks.ts";

export type Threads = AsyncDisposable & {
  /** As `digestBlocks` does. `blocks` should be shared memory. */
  digestBlocks(blocks: Uint8Array): Promise<Uint8Array>;
  digest(source: Source): Promise<string>;
  patch(task: Omit<PatchTask, "kind">): Promise<PatchFrame>;
};

/** More would wait for whoever reads. Each takes about 40 MB. */
const mostThreads = 4;

type Refusal = Pick<HamletError, "message" | "exitCode"> & { code: ErrorCode; hint?: string };
type Answer = { id: number; result?: unknown; refusal?: Refusal };
type Thread = { worker: Worker; running: Map<number, PromiseWithResolvers<unknown>>; ended?: unknown };

export function startThreads(count = Math.min(mostThreads, Math.max(2, availableParallelism()))): Threads {
  const threads = Array.from({ length: count }, start);
  let lastId = 0;
  const run = async (task: Task): Promise<unknown> => {
    const thread = threads.reduce((least, one) => (one.running.size < least.running.size ? one : least));
    if (thread.ended !== undefined) throw thread.ended;
    const answer = Promise.withResolvers<unknown>();
    thread.running.set(++lastId, answer);
    thread.worker.postMessage({ id: lastId, task });
    return await answer.promise;
  };
  return {
    digestBlocks: (blocks) => run({ kind: "digestBlocks", blocks }) as Promise<Uint8Array>,
    digest: (source) => run({ kind: "digest", source }) as Promise<string>,
    patch: (task) => run({ kind: "patch", ...task }) as Promise<PatchFrame>,
    async [Symbol.asyncDispose]() {
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}

function start(): Thread {
  // Compiling the thread's imports takes half of its start. It has a cache of its own only if its environment names one.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(cacheFolder(), "compiled") };
  const worker = new Worker(programFile("publish-thread.mjs", "ota/repository/threads/thread.ts"), { env });
  const thread: Thread = { worker, running: new Map() };
  worker.on("message", ({ id, result, refusal }: Answer) => {
    const waiting = thread.running.get(id);
    thread.running.delete(id);
    if (refusal) waiting?.reject(new HamletError(refusal.code, refusal.message, refusal));
    else waiting?.resolve(result);
  });
  const end = (cause?: unknown) => {
    thread.ended ??= new HamletError("ota.threadFailed", "a thread that helps to publish has ended", {
      hint: "publish on a computer that has all of Hamlet's package and 500 MB of free memory",
      cause,
    });
    for (const { reject } of thread.running.values()) reject(thread.ended);
    thread.running.clear();
  };
  worker.on("error", end);
  worker.on("exit", () => end());
  return thread;
}
