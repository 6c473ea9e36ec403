// A real server on loopback, asked by raw HTTP, because Node's own clients tidy up paths.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { type IncomingHttpHeaders, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { followRequests, readRequests } from "../../../../image/lab/web/follow.ts";
import { takersOf, type WebRequest } from "../../../../image/lab/web/requests.ts";
import { serveFolder } from "../../../../image/lab/web/server.ts";
import { eventually } from "../../../eventually.ts";

let folder = "";
let server: Server;
let requests: WebRequest[] = [];
const content = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 251));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-web-"));
  await mkdir(join(folder, "served/objects/ab"), { recursive: true });
  await writeFile(join(folder, "served/objects/ab/abcd"), content);
  await writeFile(join(folder, "served/timestamp.json"), "{}");
  await writeFile(join(folder, "secret"), "not for the web");
  requests = [];
  let now = 1_000;
  server = serveFolder({
    folder: join(folder, "served"),
    now: () => (now += 5),
    onRequest: (one) => requests.push(one),
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

const logged = (count: number) => eventually(() => expect(requests).toHaveLength(count));

type Answer = { status: number; headers: IncomingHttpHeaders; body: Buffer };
/** Ends when the request is logged, a moment after its answer was read: the next one then finds the log and the clock settled. */
async function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  const { port } = server.address() as AddressInfo;
  const before = requests.length;
  const asked = request({ port, host: "127.0.0.1", path, method, headers, agent: false });
  asked.end();
  const [response] = await once(asked, "response");
  const answer = { status: response.statusCode, headers: response.headers, body: await buffer(response) };
  await logged(before + 1);
  return answer;
}

test("a file comes whole, with its size and a validator, and the log names who took how many bytes", async () => {
  const { status, headers, body } = await ask("/objects/ab/abcd");
  expect([status, body.equals(content)]).toEqual([200, true]);
  expect(headers).toMatchObject({ "content-length": "100000", "accept-ranges": "bytes", etag: expect.any(String) });
  expect((await ask("/timestamp.json")).headers["content-type"]).toBe("application/json");
  expect(requests[0]).toEqual({
    ...{ client: "127.0.0.1", method: "GET", path: "/objects/ab/abcd", status: 200, bytes: 100_000 },
    ...{ atMs: expect.any(Number), ms: 5 },
  });
  expect(takersOf(requests)).toEqual([{ client: "127.0.0.1", requests: 2, bytes: 100_002 }]);
});

test("a range brings its bytes and where they lie; one behind the end says how long the file is", async () => {
  const part = await ask("/objects/ab/abcd", { range: "bytes=1000-1999" });
  expect([part.status, part.headers["content-range"]]).toEqual([206, "bytes 1000-1999/100000"]);
  expect(part.body.equals(content.subarray(1000, 2000))).toBe(true);
  const behind = await ask("/objects/ab/abcd", { range: "bytes=100000-" });
  expect([behind.status, behind.headers["content-range"], behind.body.length]).toEqual([416, "bytes */100000", 0]);
  expect(requests.map(({ range, bytes }) => [range, bytes])).toEqual([
    ["bytes=1000-1999", 1_000],
    ["bytes=100000-", 0],
  ]);
});

test("whoever continues a file that has changed gets the new one whole", async () => {
  const { etag = "" } = (await ask("/objects/ab/abcd")).headers;
  const headers = { range: "bytes=50000-", "if-range": etag };
  expect((await ask("/objects/ab/abcd", headers)).status).toBe(206);
  await rm(join(folder, "served/objects/ab/abcd"));
  await writeFile(join(folder, "served/objects/ab/abcd"), "other");
  const { status, body } = await ask("/objects/ab/abcd", headers);
  expect([status, body.toString()]).toEqual([200, "other"]);
});

test("HEAD tells the size without a body; a file that the client has is not sent again", async () => {
  const head = await ask("/objects/ab/abcd", { range: "bytes=0-1" }, "HEAD");
  expect([head.status, head.headers["content-length"], head.body.length]).toEqual([200, "100000", 0]);
  const again = await ask("/objects/ab/abcd", { "if-none-match": head.headers.etag ?? "" });
  expect([again.status, again.body.length]).toEqual([304, 0]);
  const post = await ask("/objects/ab/abcd", {}, "POST");
  expect([post.status, post.headers.allow]).toEqual([405, "GET, HEAD"]);
});

test("nothing outside the folder is served, and no folder is listed", async () => {
  await symlink(join(folder, "secret"), join(folder, "served/link"));
  await symlink("timestamp.json", join(folder, "served/inside"));
  execFileSync("mkfifo", [join(folder, "served/pipe")]);
  for (const path of [
    ...[
      "/../secret",
      "/%2e%2e/secret",
      "/objects/..%2f..%2f../secret",
      "/objects/../../secret",
      "/..\\secret",
      "/link",
    ],
    ...[
      "/",
      "/objects",
      "/objects/",
      "//timestamp.json",
      "/./timestamp.json",
      "/nowhere",
      "/timestamp.json/x",
      "/pipe",
    ],
    ...["/%", "/%00", "/timestamp.json%00", `/${"a".repeat(5_000)}`, "http://127.0.0.1/timestamp.json"],
  ]) {
    const { status, body } = await ask(path);
    expect([path, status, body.toString()]).toEqual([path, 404, ""]);
  }
  expect((await ask("/inside?x=1")).body.toString()).toBe("{}");
});

test("a client that hangs up is logged with the bytes handed to it, and the server goes on", async () => {
  await writeFile(join(folder, "served/large"), Buffer.alloc(64 << 20));
  const { port } = server.address() as AddressInfo;
  const asked = request({ port, host: "127.0.0.1", path: "/large", agent: false });
  asked.end();
  const [response] = await once(asked, "response");
  await once(response, "readable");
  asked.destroy();
  await logged(1);
  expect(requests[0]!.bytes).toBeGreaterThan(0);
  expect(requests[0]!.bytes).toBeLessThan(64 << 20);
  expect((await ask("/timestamp.json")).status).toBe(200);
});

test("the log is followed line by line, also while a line is being written", async () => {
  const log = join(folder, "web.log");
  const one = { atMs: 1, client: "10.77.0.11", method: "GET", path: "/ä", status: 200, bytes: 7, ms: 1 };
  const line = `${JSON.stringify(one)}\n`;
  expect(await readRequests(log)).toEqual([]);
  const over = new AbortController();
  const seen: WebRequest[] = [];
  const following = followRequests(log, (request) => seen.push(request), over.signal);
  await writeFile(log, `${line}not a request\n${line.slice(0, 20)}`);
  await eventually(() => expect(seen).toHaveLength(1));
  await writeFile(log, line.slice(20), { flag: "a" });
  await eventually(() => expect(seen).toEqual([one, one]));
  over.abort();
  await following;
  expect(await readRequests(log)).toEqual([one, one]);
});
