import { mkdtemp, rm } from "node:fs/promises";
import { Agent, createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ask } from "../../../system/http/ask.ts";

let folder = "";
let server: Server;
let asked: string[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-ask-"));
  asked = [];
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

/** Closes a connection instead of answering: the second request on each, as if it had been idle for too long, or all. */
async function serve(closes: "second" | "all"): Promise<string> {
  const requests = new WeakMap<object, number>();
  server = createServer((request, response) => {
    const number = (requests.get(request.socket) ?? 0) + 1;
    requests.set(request.socket, number);
    asked.push(`${request.url} ${number}`);
    if (closes === "all" || number > 1) request.socket.destroy();
    else request.resume().on("end", () => response.end("answer"));
  });
  const socketPath = join(folder, "socket");
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return socketPath;
}

test("a question on a connection that the other side has just closed is asked again on a new one", async () => {
  const where = { socketPath: await serve("second"), agent: new Agent({ keepAlive: true }) };
  for (const path of ["/a", "/b", "/c"]) {
    expect(await ask(where, { path, body: "question" })).toEqual({ status: 200, body: "answer" });
  }
  expect(asked).toEqual(["/a 1", "/b 2", "/b 1", "/c 2", "/c 1"]);
  where.agent.destroy();
});

test("whoever closes a new connection is not asked again, nor is a body sent twice whose memory is used again", async () => {
  const agent = new Agent({ keepAlive: true });
  const closing = { socketPath: await serve("all"), agent };
  await expect(ask(closing, { path: "/a" })).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(asked).toEqual(["/a 1"]);
  server.close();
  await rm(join(folder, "socket"), { force: true });
  const second = { socketPath: await serve("second"), agent };
  await ask(second, { path: "/b" });
  await expect(ask(second, { path: "/c", body: "x", onSent() {} })).rejects.toMatchObject({ code: "ECONNRESET" });
  agent.destroy();
});
