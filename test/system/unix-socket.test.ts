import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startProgram } from "../../system/program.ts";
import { connectTo, isListening } from "../../system/unix-socket.ts";
import { eventually } from "../eventually.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-socket-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("a socket listens once a program answers there; its file alone, bound or left behind, does not", async () => {
  const path = join(folder, "socket");
  expect(await isListening(path)).toBe(false);
  await writeFile(path, "");
  expect(await isListening(path)).toBe(false);
  await rm(path);
  // Bound, as the file shows, but not listening yet.
  const bind = `import socket; s = socket.socket(socket.AF_UNIX); s.bind(${JSON.stringify(path)}); print("bound", flush=True)
input(); s.listen(); print("listens", flush=True); input()`;
  const program = startProgram(["python3", "-c", bind], { stdin: "pipe", stdout: "pipe" });
  let said = "";
  program.stdout.on("data", (text) => (said += text));
  await eventually(() => expect(said).toContain("bound"));
  expect(await isListening(path)).toBe(false);
  program.stdin.write("\n");
  await eventually(() => expect(said).toContain("listens"));
  expect(await isListening(path)).toBe(true);
  await program.stop();
  expect(await isListening(path)).toBe(false);
});

test("a connection carries bytes both ways", async () => {
  const server = createServer((socket) => socket.pipe(socket)).listen(join(folder, "echo"));
  await eventually(() => isListening(join(folder, "echo")));
  const socket = (await connectTo(join(folder, "echo")))!;
  socket.write("hello");
  expect(String(await new Promise((resolve) => socket.once("data", resolve)))).toBe("hello");
  socket.destroy();
  server.close();
});
