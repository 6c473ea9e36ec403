// An agent that is slow, gone or hostile: every exchange ends, holds no more than was asked for, and has a code.

import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openAgentDoor } from "../../../ota/updater/agent-door.ts";
import type { UpdateReport } from "../../../provisioning/handover/update.ts";
import { HamletError } from "../../../system/error.ts";
import { errorAnswer, sendJson } from "../../../system/http/answer.ts";
import { sha256 } from "./repository.ts";

let folder = "";
let server: Server;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hamlet-door-"));
});
afterEach(async () => {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
  rmSync(folder, { recursive: true });
});

/** Patient, for a busy machine; a test of silence is not. */
async function agentThat(answers: RequestListener, deadlineMs = 30_000) {
  const path = join(folder, "agent.sock");
  server = createServer(answers);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return openAgentDoor(path, { deadlineMs });
}
const content = Buffer.from("some bytes");
const ref = { sha256: sha256(content), sizeBytes: content.length };
const report: UpdateReport = {
  ...{ v: 1, running: { slot: "a", version: "1" }, activity: { phase: "idle" }, failed: [], history: [] },
};
const refused = (code: string) => expect.objectContaining({ code });

test("the bytes of an object count only if their digest is right", async () => {
  let answer = content;
  const door = await agentThat((_, response) => response.setHeader("hamlet-carried", "7").end(answer));
  let carriedBytes = 0;
  const onCarried = (bytes: number) => {
    carriedBytes += bytes;
  };
  expect([await door.object(ref, onCarried), carriedBytes]).toEqual([content, 7]);
  for (const wrong of [Buffer.from("same bytes"), Buffer.alloc(0), content.subarray(1)]) {
    answer = wrong;
    await expect(door.object(ref)).rejects.toEqual(refused("update.badObject"));
  }
});

test.each([
  ["-5", 0],
  ["many", 0],
  ["1e99", 1 << 30],
  ["", 0],
])("a count of carried bytes that is %j does no harm", async (header, carriedBytes) => {
  const door = await agentThat((_, response) => response.setHeader("hamlet-carried", header).end(content));
  const carried: number[] = [];
  await door.object(ref, (bytes) => carried.push(bytes));
  expect(carried).toEqual([carriedBytes]);
});

test("endless bytes are cut off where they pass what was asked for", async () => {
  let sent = 0;
  const door = await agentThat((_, response) => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(16 << 10))) sent += 16 << 10;
      if (!response.destroyed) response.once("drain", more);
    };
    more();
  });
  await expect(door.object({ ...ref, sizeBytes: 100_000 })).rejects.toEqual(refused("update.agentSilent"));
  await expect(door.file("metadata/timestamp.json", 8192)).rejects.toEqual(refused("update.agentSilent"));
  expect(sent).toBeLessThan(4 << 20);
});

test("a length that is announced too long is refused before the first byte", async () => {
  const door = await agentThat((_, response) => response.writeHead(200, { "content-length": 1 << 30 }).flushHeaders());
  await expect(door.object(ref)).rejects.toEqual(refused("update.agentSilent"));
});

test("silence has an end", async () => {
  const door = await agentThat(() => {}, 300);
  await expect(door.file("metadata/timestamp.json", 100)).rejects.toEqual(refused("update.agentSilent"));
});

test("a byte now and then is silence too", async () => {
  const door = await agentThat((_, response) => {
    const timer = setInterval(() => response.write("x"), 20);
    response.on("close", () => clearInterval(timer));
  }, 300);
  await expect(door.file("metadata/timestamp.json", 1 << 20)).rejects.toEqual(refused("update.agentSilent"));
});

test("an agent that is not there, or hangs up, is silent", async () => {
  const door = await agentThat((request) => request.socket.destroy());
  await expect(door.object(ref)).rejects.toEqual(refused("update.agentSilent"));
  await expect(openAgentDoor(join(folder, "nowhere.sock")).evidence()).rejects.toEqual(refused("update.agentSilent"));
});

test("an error of the agent keeps its code; an answer that is none is silence", async () => {
  let answer: (response: Parameters<RequestListener>[1]) => void = () => {};
  const door = await agentThat((_, response) => answer(response));
  answer = (response) => sendJson(response, 409, errorAnswer(new HamletError("update.notThere", "no such file")));
  await expect(door.object(ref)).rejects.toEqual(refused("update.notThere"));
  // Exit code 3 is a refusal for good, which is not for the agent to say.
  const refusal = new HamletError("update.notThere", "never", { exitCode: 3 });
  answer = (response) => sendJson(response, 409, errorAnswer(refusal));
  await expect(door.object(ref)).rejects.toMatchObject({ code: "update.notThere", exitCode: 1 });
  answer = (response) => response.writeHead(500).end("<html>");
  await expect(door.object(ref)).rejects.toEqual(refused("update.agentSilent"));
  answer = (response) => response.writeHead(204).end();
  await expect(door.object(ref)).rejects.toEqual(refused("update.agentSilent"));
});

test("requests and evidence that are not valid are silence", async () => {
  let body = "{}";
  const door = await agentThat((_, response) => response.end(body));
  expect(await door.wait(report)).toBeUndefined();
  body = '{"request":{"kind":"now"}}';
  expect(await door.wait(report)).toEqual({ kind: "now" });
  const endless = JSON.stringify({ request: { kind: "now" }, more: Array.from({ length: 10_001 }, () => 0) });
  for (const wrong of ['{"request":{"kind":"explode"}}', "[]", "", '{"request":'.repeat(50_000), endless]) {
    body = wrong;
    await expect(door.wait(report)).rejects.toEqual(refused("update.agentSilent"));
    await expect(door.evidence()).rejects.toEqual(refused("update.agentSilent"));
  }
  const evidence = { phase: "member", hasPage: true, hasMesh: true, handshakes: [], alive: ["m1"], telemetry: "none" };
  body = JSON.stringify(evidence);
  expect(await door.evidence()).toEqual(evidence);
  const ids = Array.from({ length: 4096 }, (_, index) => `m${index}`);
  body = JSON.stringify({ ...evidence, alive: ids, handshakes: ids });
  expect((await door.evidence()).alive).toHaveLength(4096);
  body = JSON.stringify({ ...evidence, alive: ["m".repeat(65)] });
  await expect(door.evidence()).rejects.toEqual(refused("update.agentSilent"));
});
