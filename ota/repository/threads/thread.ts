// The program of one thread: answers each task in turn.
import { parentPort } from "node:worker_threads";
import { digest, patch, type Task } from "./tasks.ts";

parentPort!.on("message", ({ id, task }: { id: number; task: Task }) => {
  const result = task.kind === "digest" ? digest(task) : patch(task);
  parentPort!.postMessage({ id, result });
});
