// The program of one thread: does each task when the one before is done, because they share buffers, and answers.
import { parentPort } from "node:worker_threads";
import { HamletError } from "../../../system/error.ts";
import { perform, type Task } from "./tasks.ts";

let last = Promise.resolve();
parentPort!.on("message", ({ id, task }: { id: number; task: Task }) => {
  last = last.then(async () => parentPort!.postMessage({ id, ...(await answer(task)) }));
});

async function answer(task: Task): Promise<{ result: unknown } | { refusal: object }> {
  try {
    return { result: await perform(task) };
  } catch (error) {
    if (!(error instanceof HamletError)) throw error;
    // Copied to the other thread it would lose its code.
    const { code, message, hint, exitCode } = error;
    return { refusal: { code, message, hint, exitCode } };
  }
}
