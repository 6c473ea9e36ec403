// The files of a repository as a web server gives them: time passes as the test says.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { filesAt } from "../../../ota/repository/files.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A web server that sends its first line after `headMs`, and each of ten pieces `pieceMs` after the one before. */
function serveSlowly({ headMs, pieceMs }: { headMs: number; pieceMs: number }): void {
  vi.stubGlobal("fetch", async (_url: string, { signal }: { signal: AbortSignal }) => {
    let left = 10;
    vi.advanceTimersByTime(headMs);
    signal.throwIfAborted();
    const pull = (body: ReadableStreamDefaultController) => {
      if (left-- === 0) return body.close();
      vi.advanceTimersByTime(pieceMs);
      if (signal.aborted) body.error(signal.reason);
      else body.enqueue(Buffer.alloc(1000));
    };
    return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }));
  });
}
const read = () => filesAt("http://updates.example.org/").read("packs/abc");

test("a file may take as long as the line needs, while its bytes keep coming", async () => {
  serveSlowly({ headMs: 50_000, pieceMs: 50_000 });
  expect((await read())?.length).toBe(10_000);
  expect(vi.getTimerCount()).toBe(0);
});

test.each([
  ["answers", { headMs: 61_000, pieceMs: 0 }],
  ["goes on", { headMs: 0, pieceMs: 61_000 }],
])("a web server that no longer %s is not waited for", async (_, pace) => {
  serveSlowly(pace);
  await expect(read()).rejects.toMatchObject({
    code: "update.unreachable",
    cause: expect.objectContaining({ message: "no byte for 60 s" }),
  });
  expect(vi.getTimerCount()).toBe(0);
});

test("a server whose answer does not end is not listened to until memory ends", async () => {
  let sentBytes = 0;
  const pull = (body: ReadableStreamDefaultController) => {
    sentBytes += 1 << 20;
    body.enqueue(Buffer.alloc(1 << 20));
  };
  vi.stubGlobal("fetch", async () => new Response(new ReadableStream({ pull }, { highWaterMark: 0 })));
  for (const path of ["metadata/timestamp.json", "objects/ab/abc", "targets/nuc/newest.json"]) {
    await expect(filesAt("http://updates.example.org/").read(path)).rejects.toMatchObject({
      code: "update.unreachable",
    });
  }
  expect(sentBytes).toBeLessThan(3 * (8 << 20));
});
