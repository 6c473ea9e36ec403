import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { agentClient } from "../../../agent/api/client.ts";
import { sendJson } from "../../../system/http/answer.ts";
import { makeStatusSource } from "../../dashboard/api/status-source.ts";

const ended: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

async function clientOf(answer: RequestListener, deadlineMs = 5_000) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ended.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const where = { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
  return agentClient({ who: "attic", where: () => where, deadlineMs });
}

test("a client reads the status through its schema", async () => {
  const source = makeStatusSource();
  const client = await clientOf(async (_, response) => sendJson(response, 200, await source.status()));
  expect((await client.status()).self.name).toBe("attic");
});

test("a client asks through a connection that it is handed, such as a channel into a machine", async () => {
  const source = makeStatusSource();
  const server = createServer(async (_, response) => sendJson(response, 200, await source.status()));
  const socketPath = join(await mkdtemp(join(tmpdir(), "hamlet-client-")), "agent.sock");
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  ended.push(async () => {
    await new Promise((resolve) => server.close(resolve));
    await rm(dirname(socketPath), { recursive: true });
  });
  const where = { createConnection: () => connect(socketPath) };
  const client = agentClient({ who: "attic", where: () => where, deadlineMs: 5_000 });
  expect((await client.status()).self.name).toBe("attic");
});

test("a refusal keeps its code, hint and exit code, even a code of a later release", async () => {
  const refused = { code: "name.tooFunny", message: "no", hint: "be serious", exitCode: 3 };
  const client = await clientOf((_, response) => sendJson(response, 409, refused));
  await expect(client.request("/v1/rename", { name: "pantry" })).rejects.toMatchObject(refused);
});

test.each<[string, RequestListener, RegExp, number?]>([
  ["an answer without a reason", (_, response) => response.writeHead(502).end("<html>"), /HTTP 502/],
  ["no answer", () => {}, /has not answered for 0\.1 s/, 100],
])("%s is a device that does not answer", async (_, answer, why, deadlineMs) => {
  const client = await clientOf(answer, deadlineMs);
  const refusal = { code: "device.noAnswer", message: expect.stringMatching(why) };
  await expect(client.request("/v1/rename", { name: "pantry" })).rejects.toMatchObject(refusal);
  await expect(client.status()).rejects.toMatchObject(refusal);
});

test("a socket that this user may not open is no silent agent", async () => {
  const refuse = () => Promise.reject(Object.assign(new Error("connect EACCES"), { code: "EACCES" }));
  const client = agentClient({ who: "the agent at /run/hamlet/agent.sock", where: refuse });
  await expect(client.status()).rejects.toMatchObject({
    code: "device.needsRoot",
    message: "this user may not ask the agent at /run/hamlet/agent.sock",
    hint: expect.stringMatching(/root.*group hamlet/),
  });
});

test("a connection that never opens fails at the deadline", async () => {
  const client = agentClient({ who: "attic", where: () => new Promise(() => {}), deadlineMs: 50 });
  await expect(client.status()).rejects.toMatchObject({ code: "device.noAnswer", message: /0\.05 s/ });
});

test("the error for a status that this version cannot read names the release that can", async () => {
  const client = await clientOf((_, response) => sendJson(response, 200, { v: 2 }));
  await expect(client.status()).rejects.toMatchObject({ hint: expect.stringContaining("own release") });
});
