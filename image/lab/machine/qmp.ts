// Commands to a running QEMU: its machine protocol (QMP), one JSON message a line, over its stdin and stdout.
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { z } from "zod";
import { HamletError } from "../../../system/error.ts";
import { parseJson } from "../../../system/files.ts";

/** Runs a command and returns what QEMU answers. Throws `lab.machineRefused`, also when QEMU ends. */
export type Qmp = (command: string, words?: object) => Promise<unknown>;

// Events and the greeting have no id.
const Answer = z.object({
  id: z.int(),
  return: z.unknown().optional(),
  error: z.object({ desc: z.string() }).optional(),
});

export function openQmp(stdin: Writable, stdout: Readable): Qmp {
  const waiting = new Map<number, (answer: z.infer<typeof Answer> | undefined) => void>();
  let nextId = 1;
  let isClosed = false;
  const lines = createInterface({ input: stdout });
  lines.on("line", (line) => {
    const answer = Answer.safeParse(parseJson(line));
    if (answer.success) waiting.get(answer.data.id)?.(answer.data);
  });
  lines.on("close", () => {
    isClosed = true;
    for (const tell of waiting.values()) tell(undefined);
  });
  stdin.on("error", () => {});
  stdout.on("error", () => {});

  const qmp: Qmp = async (execute, words = {}) => {
    const id = nextId++;
    const answer = await new Promise<z.infer<typeof Answer> | undefined>((resolve) => {
      if (isClosed) return resolve(undefined);
      waiting.set(id, resolve);
      stdin.write(`${JSON.stringify({ execute, arguments: words, id })}\n`);
    });
    waiting.delete(id);
    if (answer && !answer.error) return answer.return;
    throw new HamletError("lab.machineRefused", `QEMU did not ${execute}: ${answer?.error?.desc ?? "it has ended"}`);
  };
  // QEMU accepts no other command before this.
  const isOpen = qmp("qmp_capabilities");
  isOpen.catch(() => {});
  return async (name, words) => {
    await isOpen;
    return qmp(name, words);
  };
}
