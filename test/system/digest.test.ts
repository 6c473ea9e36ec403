// Digests of files and streams, as node:crypto computes them of the whole.
import { hash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { digestFile, digestOf } from "../../system/digest.ts";

async function fileOf(content: Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-digest-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "file");
  await writeFile(path, content);
  return path;
}

test("however a stream is cut into chunks, its digest and size are those of the whole", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array()), async (chunks) => {
      const whole = Buffer.concat(chunks);
      const seen: number[] = [];
      const digest = await digestOf(streamOf(chunks), { onBytes: (bytes) => seen.push(bytes) });
      expect(digest).toEqual({ sizeBytes: whole.length, sha256: hash("sha256", whole) });
      expect(seen.at(-1) ?? 0).toBe(whole.length);
    }),
  );
});

async function* streamOf(chunks: Uint8Array[]) {
  yield* chunks;
}

test("a file larger than one read has the digest of its whole content", async () => {
  const content = Buffer.alloc((3 << 20) + 7, "hamlet");
  expect(await digestFile(await fileOf(content))).toEqual({
    sizeBytes: content.length,
    sha256: hash("sha256", content),
  });
});

test("a missing file is the system's error, and a signal stops the reading with its reason", async () => {
  await expect(digestFile("/nonexistent/file")).rejects.toMatchObject({ code: "ENOENT" });
  const path = await fileOf(Buffer.alloc(3 << 20));
  const over = new AbortController();
  const stopped = digestFile(path, { signal: over.signal, onBytes: () => over.abort(new Error("stopped")) });
  await expect(stopped).rejects.toThrow("stopped");
});
