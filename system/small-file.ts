// Reads a small file from a place where anybody may have put something else: a pipe does not block us, and a large file does not
// fill memory.
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { errnoOf, HamletError } from "./error.ts";

/** Undefined if there is none. Throws `file.invalid` if it is no plain file of at most `maxBytes`, or the system's error. */
export async function readSmallFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
  // Without O_NONBLOCK a pipe would wait for its writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    if (errnoOf(cause) === "ENOENT") return undefined;
    throw cause;
  });
  if (!file) return undefined;
  try {
    const facts = await file.stat();
    if (!facts.isFile()) throw new HamletError("file.invalid", `${path} is not a plain file`, { hint: `rm ${path}` });
    if (facts.size > maxBytes) throw tooLarge(path, facts.size, maxBytes);
    const bytes = Buffer.alloc(facts.size);
    let done = 0;
    while (done < bytes.length) {
      const { bytesRead } = await file.read(bytes, done, bytes.length - done, done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  } finally {
    await file.close();
  }
}

const tooLarge = (path: string, sizeBytes: number, maxBytes: number) =>
  new HamletError("file.invalid", `${path} has ${sizeBytes} bytes; at most ${maxBytes} are allowed`, {
    hint: "it is damaged or the wrong file: replace it or remove it",
  });
