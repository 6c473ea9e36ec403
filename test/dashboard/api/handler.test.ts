import { mkdtemp, rm } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";
import type { StatusSource } from "../../../agent/api/own-status.ts";
import { PublicStatus, Status } from "../../../agent/api/schema.ts";
import { makePageHandler, type PageKind } from "../../../dashboard/api/handler.ts";
import { refusalPage } from "../../../dashboard/api/refusal-page.ts";
import { serveOpenPage } from "../../../dashboard/open.ts";
import { HamletError } from "../../../system/error.ts";
import { eventually } from "../../eventually.ts";
import { makeStatusSource } from "./status-source.ts";

const ended: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

async function serve(kind: PageKind, source: StatusSource = makeStatusSource(), socketPath?: string): Promise<number> {
  const handler = makePageHandler(source, kind, {
    html: "<!doctype html><style>a{}</style><script>1</script>",
    eventsEveryMs: 20,
  });
  const server = createServer(handler);
  await new Promise<void>((resolve) =>
    server.listen(socketPath ? { path: socketPath } : { port: 0, host: "127.0.0.1" }, resolve),
  );
  ended.push(async () => {
    handler.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return socketPath ? 0 : (server.address() as AddressInfo).port;
}
type Answer = { status: number; headers: Record<string, string | string[] | undefined>; body: string };
function ask(
  where: number | string,
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const target = typeof where === "number" ? { host: "127.0.0.1", port: where } : { socketPath: where };
    const asked = request({ ...target, path, method, headers });
    asked.on("error", reject);
    asked.on("response", async (response) => {
      resolve({ status: response.statusCode!, headers: response.headers, body: await text(response) });
    });
    asked.end();
  });
}

test("the full page's API returns the whole status, the public page's only this device's", async () => {
  const [full, open] = await Promise.all([serve("full"), serve("public")]);
  expect(Status.parse(JSON.parse((await ask(full, "/v1/status")).body)).members).toHaveLength(3);
  const told = (await ask(open, "/v1/status")).body;
  expect(PublicStatus.parse(JSON.parse(told)).code).toBe("abcd-efgh-2345");
  expect(told).not.toContain("cellar");
  expect((await ask(open, "/metrics")).status).toBe(404);
});

test("the page may run only its own script and style, connect only to its own server, and not be framed", async () => {
  const { headers } = await ask(await serve("full"), "/");
  expect(headers["content-security-policy"]).toBe(
    "default-src 'none'; script-src 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='; " +
      "style-src 'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk='; img-src data:; connect-src 'self'; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  expect(headers).toMatchObject({ "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" });
  expect(headers["access-control-allow-origin"]).toBeUndefined();
});

test.each([
  "evil.example",
  "127.0.0.1.evil.example",
  "hamlet.local.evil.example",
  "10.1.2.3",
  "[fd00::1]",
  "attic.local",
  "localhost@evil.example",
])("the full page refuses the host %j", async (host) => {
  expect((await ask(await serve("full"), "/v1/status", { host })).status).toBe(403);
});

test.each([
  ["full", "attic.hamlet.internal"],
  ["full", "hamlet.internal."],
  ["full", "localhost"],
  ["full", "127.0.0.1:8080"],
  ["public", "hamlet.local"],
  ["public", "ATTIC.local:80"],
] as const)("the %s page answers to %s", async (kind, host) => {
  expect((await ask(await serve(kind), "/v1/status", { host })).status).toBe(200);
});

test.each([
  ...["attic", "attic:80", "ATTIC", "attic.", "attic.local.", "hamlet", "Hamlet.Local"],
  ...["attic.fritz.box", "attic.lan", "attic.home", "attic.home.arpa", "attic.internal:8080", "attic.localdomain"],
  ...["127.0.0.1", "127.0.0.2:81", "[::1]:80", "[::1%25eth0]", "localhost"],
])("page-by-name: the public page answers to %s, a name that a home network may use", async (host) => {
  expect((await ask(await serve("public"), "/", { host })).status).toBe(200);
});

test.each([
  ...["evil.example", "cellar.lan", "cellar", "attic.lan.evil.example", "attic.example", "lan", "attic.attic.lan"],
  ...["10.1.2.3", "[fe80::1%25eth0]", "attic.local@evil.example", "attic.local:80:80", "a".repeat(300)],
])("page-by-name: the public page refuses the host %j and tells a person what to type", async (host) => {
  const port = await serve("public");
  const told = `http://attic.local:${port}/ or http://127.0.0.1:${port}/`;
  const program = await ask(port, "/v1/status", { host });
  expect([program.status, JSON.parse(program.body).hint]).toEqual([403, `type ${told}`]);
  const accept = "text/html,application/xhtml+xml,*/*;q=0.8";
  const person = await ask(port, "/", { host, accept });
  expect([person.status, person.headers["content-type"]]).toEqual([403, "text/html; charset=utf-8"]);
  expect(person.body).toContain(`<a href="http://attic.local:${port}/">http://attic.local:${port}/</a>`);
  if (host.length > 5) expect(person.body).not.toContain(host);
  expect(person.headers["content-security-policy"]).toBe("default-src 'none'; frame-ancestors 'none'");
});

test("page-by-name: the refusal page escapes everything that a visitor chose", () => {
  const page = refusalPage({ message: "<script>alert(1)</script>", hint: 'see http://x/"><img src=x>' });
  expect(page).not.toMatch(/<script|<img/);
  expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt;.");
  expect(page).not.toMatch(/href="[^"]*"[^>]*"/);
});

test("page-by-name: a browser gets a missing page's error as HTML", async () => {
  const { status, body } = await ask(await serve("public"), "/nothing", { accept: "text/html" });
  expect([status, body]).toEqual([404, expect.stringContaining("<p>No such page.</p>")]);
});

test.each([
  ["attic", "http://attic", 200],
  ["ATTIC.lan", "http://attic.lan", 200],
  ["attic:80", "http://attic", 200],
  ["attic", "http://attic:80", 200],
  ["attic", "http://attic:8080", 403],
  ["attic", "https://attic", 403],
  ["attic", "http://attic.lan", 403],
  ["attic.lan", "http://evil.example", 403],
  ["attic.local", "http://attic.local.evil.example", 403],
])("page-by-name: the host %s answers a script from %s with %d", async (host, origin, status) => {
  expect((await ask(await serve("public"), "/v1/status", { host, origin })).status).toBe(status);
});

test.each<Record<string, string>>([
  { origin: "https://evil.example" },
  { origin: "null" },
  { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" },
  { "sec-fetch-site": "same-site", "sec-fetch-mode": "cors" },
])("a script of another site cannot read the page: %j", async (headers) => {
  const answer = await ask(await serve("full"), "/v1/status", headers);
  expect(answer.status).toBe(403);
  expect(JSON.parse(answer.body)).toEqual({ code: "api.refused", message: "another site may not read this page" });
});

test("links from other sites work, and so do the page's own requests", async () => {
  const port = await serve("full");
  expect((await ask(port, "/", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" })).status).toBe(200);
  const own = { origin: `http://127.0.0.1:${port}`, "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors" };
  expect((await ask(port, "/v1/status", own)).status).toBe(200);
});

test("the agent's socket, which no browser can reach, accepts any host", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-"));
  ended.push(() => rm(folder, { recursive: true }));
  const path = join(folder, "agent.sock");
  await serve("full", makeStatusSource(), path);
  expect((await ask(path, "/v1/status", { host: "whatever" })).status).toBe(200);
});

test("wrong methods, unknown pages and a failing source give coded errors", async () => {
  const port = await serve("full");
  const refused = await ask(port, "/v1/status", {}, "POST");
  expect([refused.status, refused.headers["allow"]]).toEqual([405, "GET, HEAD"]);
  expect((await ask(port, "/../etc/passwd")).status).toBe(404);
  expect((await ask(port, "/constructor")).status).toBe(404);
  const broken = await serve("full", {
    ...makeStatusSource(),
    status: () => Promise.reject(new HamletError("device.noAnswer", "attic does not answer", { hint: "wait" })),
  });
  const answer = await ask(broken, "/v1/status");
  expect([answer.status, JSON.parse(answer.body)]).toEqual([
    503,
    { code: "device.noAnswer", message: "attic does not answer", hint: "wait" },
  ]);
});

test("the event stream sends the status at once and after each change, and names a failure", async () => {
  const source = makeStatusSource();
  let isBroken = false;
  const port = await serve("full", {
    ...source,
    status: () => (isBroken ? Promise.reject(new Error("gone")) : source.status()),
  });
  const heard: string[] = [];
  const aborted = new AbortController();
  const { body } = await fetch(`http://127.0.0.1:${port}/v1/events`, { signal: aborted.signal });
  const reading = (async () => {
    for await (const chunk of body!.pipeThrough(new TextDecoderStream())) heard.push(chunk);
  })().catch(() => {});
  const until = async (what: () => boolean) => {
    while (!what()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await until(() => heard.join("").includes(`"name":"cellar","state":"alive"`));
  source.member("cellar").state = "dead";
  await until(() => heard.join("").includes(`"name":"cellar","state":"dead"`));
  isBroken = true;
  await until(() => heard.join("").includes("event: trouble"));
  aborted.abort();
  await reading;
});

test("open streams are limited per host and in total, and eight hosts cannot shut others out", async () => {
  const port = await serve("full");
  const aborted = new AbortController();
  let closed = 0;
  /** Opens a stream, which stays open until the end, and returns its HTTP status. */
  const open = (localAddress: string) =>
    new Promise<number>((resolve, reject) => {
      const target = { host: "127.0.0.1", port, path: "/v1/events", localAddress, agent: false };
      const asked = request({ ...target, signal: aborted.signal }, (response) => {
        if (response.statusCode === 200) response.on("close", () => (closed += 1));
        response.on("error", () => {}).resume();
        resolve(response.statusCode!);
      });
      asked.on("error", reject).end();
    });
  for (let host = 1; host <= 8; host++) {
    for (let streams = 0; streams < 4; streams++) expect(await open(`127.0.0.${host}`)).toBe(200);
    expect(await open(`127.0.0.${host}`)).toBe(503);
  }
  expect(closed).toBe(0);
  expect(await open("127.0.0.9")).toBe(200);
  await eventually(() => closed === 1);
  aborted.abort();
});

test("hamlet open's page listens on loopback only and closes with a stream open", async () => {
  const page = await serveOpenPage(makeStatusSource());
  expect(page.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  const stream = await fetch(`${page.url}v1/events`);
  expect(stream.status).toBe(200);
  expect((await fetch(`${page.url}metrics`).then((answer) => answer.text())).split("\n")).toContain(
    `hamlet_member_alive{device="cellar",id="${"c".repeat(26)}"} 1`,
  );
  const port = Number(new URL(page.url).port);
  expect((await ask(port, "/", { host: "attic.hamlet.internal" })).status).toBe(403);
  await expect(serveOpenPage(makeStatusSource(), { port })).rejects.toMatchObject({ code: "port.taken" });
  await page.close();
});

test("hamlet open's page accepts a request only with its key, and refuses other sites and users", async () => {
  const taken: [string, object][] = [];
  const request = async (path: string, asked: object) => {
    if ("disk" in asked && asked.disk === "/dev/sda") throw new HamletError("install.noDisk", "no such disk");
    taken.push([path, asked]);
  };
  const page = await serveOpenPage(makeStatusSource(), { request });
  ended.push(() => page.close());
  const [url, key = ""] = page.url.split("#");
  expect(key.length).toBeGreaterThan(20);
  expect(await fetch(`${url}`).then((answer) => answer.text())).not.toContain(key);
  const post = async (body: string, headers: Record<string, string>, path = "v1/install") => {
    const answer = await fetch(`${url}${path}`, { method: "POST", headers, body });
    return [answer.status, ((await answer.json()) as { code?: string }).code];
  };
  const install = (disk: string) => JSON.stringify({ id: "a".repeat(26), disk });
  const wish = install("/dev/nvme0n1");
  const origin = url!.slice(0, -1);
  const own = { "x-hamlet-key": key, origin };
  expect(await post(wish, {})).toEqual([403, "api.refused"]);
  expect(await post(wish, { origin })).toEqual([403, "api.refused"]);
  expect(await post(wish, { "x-hamlet-key": key })).toEqual([403, "api.refused"]);
  expect(await post(wish, { "x-hamlet-key": `${key}x`, origin })).toEqual([403, "api.refused"]);
  const elsewhere = { "x-hamlet-key": key, origin: "http://evil.example" };
  expect(await post(wish, elsewhere)).toEqual([403, "api.refused"]);
  expect(await post(wish, own, "v1/reset")).toEqual([404, "api.refused"]);
  // No key of the root is here, so nobody is let in.
  expect(await post(JSON.stringify({ deviceKey: "k".repeat(43) }), own, "v1/adopt")).toEqual([404, "api.refused"]);
  const offered = (headers: Record<string, string>) => fetch(`${url}v1/buttons`, { headers });
  expect((await offered({})).status).toBe(403);
  expect(await (await offered(own)).json()).toEqual({ buttons: ["/v1/install", "/v1/rename", "/v1/update"] });
  for (const bad of ["[]", "{", '{"disk":"/dev/nvme0n1"}', install("x".repeat(10_000))]) {
    expect(await post(bad, own)).toEqual([409, "usage.invalid"]);
  }
  expect(await post(install("/dev/sda"), own)).toEqual([409, "install.noDisk"]);
  expect(taken).toEqual([]);
  expect(await post(wish, own)).toEqual([200, undefined]);
  expect(taken).toEqual([["/v1/install", JSON.parse(wish)]]);
});

test("a device has no buttons, whoever asks", async () => {
  const port = await serve("full");
  const headers = { "x-hamlet-key": "", origin: `http://127.0.0.1:${port}` };
  for (const path of ["v1/buttons", "v1/adopt", "v1/rename", "v1/update", "v1/install"]) {
    const method = path === "v1/buttons" ? "GET" : "POST";
    expect((await fetch(`http://127.0.0.1:${port}/${path}`, { method, headers })).status).toBe(404);
  }
});
