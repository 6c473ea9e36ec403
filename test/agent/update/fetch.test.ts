// Fetching from repositories that are slow, broken, hostile or not there: real servers on loopback.
import { hash, randomBytes } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { openRepositories } from "../../../agent/update/fetch.ts";
import { makePacks } from "../../../agent/update/packs.ts";
import { objectPath } from "../../../ota/format/names.ts";
import { systemClock } from "../../../system/clock.ts";
import { eventually } from "../../eventually.ts";
import { lendFromWeb } from "./from-web.ts";
import { breakAfter, serveWeb, type Web } from "./web.ts";

const ended: AsyncDisposable[] = [];
/** Long, for a busy machine; a test of a server that falls silent makes it short. */
let stallMs = 10_000;
afterEach(async () => {
  stallMs = 10_000;
  for (const end of ended.splice(0)) await end[Symbol.asyncDispose]();
});

const content = Buffer.concat([randomBytes(40_000), Buffer.alloc(40_000)]);
const chunk = { kind: "object", sha256: hash("sha256", content), sizeBytes: content.length } as const;
const path = objectPath(chunk.sha256);
const frame = zstdCompressSync(content);
const timestamp = { kind: "file", path: "metadata/timestamp.json", maxBytes: 1_000 } as const;

async function web(files: Record<string, Buffer> = { [path]: frame }): Promise<Web> {
  const served = await serveWeb(files);
  ended.push(served);
  return served;
}
/** A device that knows these repositories. */
function device(...webs: (Web | string)[]) {
  const urls = webs.map((one) => (typeof one === "string" ? one : one.url));
  const repositories = openRepositories({ urls, clock: systemClock, random: () => 0, stallMs, pauseMs: 1 });
  const packs = makePacks({ repositories, path: "/dev/null/pack" });
  const lend = lendFromWeb({ repositories, packs });
  let carried = 0;
  const onCarried = (bytes: number) => {
    carried += bytes;
  };
  return {
    fetch: (request: Parameters<typeof lend>[0], signal = new AbortController().signal) =>
      lend(request, { signal, onCarried }),
    carried: () => carried,
  };
}

test("an object arrives unpacked, and the bytes that the network carried are counted, headers included", async () => {
  const one = await web();
  const { fetch, carried } = device(one);
  expect((await fetch(chunk)).equals(content)).toBe(true);
  expect(carried()).toBeGreaterThan(frame.length + 100);
  expect(carried()).toBeLessThan(frame.length + 1_000);
  const before = carried();
  // The second exchange uses the same connection.
  await fetch(chunk);
  expect(carried()).toBeLessThanOrEqual(2 * before);
  expect(carried()).toBeGreaterThan(before + frame.length);
});

test("a repository below a path is asked below that path", async () => {
  const one = await web({ "updates/metadata/timestamp.json": Buffer.from("{}") });
  for (const url of [`${one.url}/updates`, `${one.url}/updates/`]) {
    expect((await device(url).fetch(timestamp)).toString()).toBe("{}");
  }
  expect(one.asked).toEqual(["/updates/metadata/timestamp.json", "/updates/metadata/timestamp.json"]);
});

test("a connection that breaks is continued where it broke", async () => {
  const one = await web();
  const etag = `"${frame.length}-${frame.subarray(0, 8).toString("hex")}"`;
  one.behave = (request, response) => {
    one.behave = one.send;
    breakAfter(one, 30_000, { etag })!(request, response);
  };
  const { fetch, carried } = device(one);
  expect((await fetch(chunk)).equals(content)).toBe(true);
  expect(one.asked).toEqual([`/${path}`, `/${path} bytes=30000-`]);
  expect(carried()).toBeLessThan(frame.length + 2_000);
});

test("a server without ranges sends the whole file again, and that is understood", async () => {
  const one = await web();
  one.behave = (request, response) => {
    one.behave = (_, answer) => answer.writeHead(200, { "content-length": frame.length }).end(frame);
    breakAfter(one, 30_000)!(request, response);
  };
  expect((await device(one).fetch(chunk)).equals(content)).toBe(true);
  expect(one.asked).toHaveLength(2);
});

test.each<[string, string]>([
  ["another range", "bytes 0-9/10"],
  ["a range that ends early", `bytes 30000-30001/${frame.length}`],
  ["no range", "nonsense"],
])("a server that lies about ranges, with %s, is asked for the whole file", async (_, range) => {
  const one = await web();
  one.behave = (request, response) => {
    if (!request.headers.range) {
      if (one.asked.length > 1) return one.send(request, response);
      return breakAfter(one, 30_000)!(request, response);
    }
    response.writeHead(206, { "content-range": range, "content-length": 10 }).end("0123456789");
  };
  expect((await device(one).fetch(chunk)).equals(content)).toBe(true);
  expect(one.asked.at(-1)).toBe(`/${path}`);
});

test("a server that sends other bytes for the right range is asked for the whole file", async () => {
  const one = await web();
  one.behave = (request, response) => {
    if (!request.headers.range && one.asked.length === 1) return breakAfter(one, 30_000)!(request, response);
    if (!request.headers.range) return one.send(request, response);
    const rest = Buffer.alloc(frame.length - 30_000);
    const range = `bytes 30000-${frame.length - 1}/${frame.length}`;
    response.writeHead(206, { "content-range": range, "content-length": rest.length }).end(rest);
  };
  expect((await device(one).fetch(chunk)).equals(content)).toBe(true);
  expect(one.asked).toEqual([`/${path}`, `/${path} bytes=30000-`, `/${path}`]);
});

test("metadata that changes in the middle is never joined from two versions", async () => {
  const [old, fresh] = [Buffer.from("old ".repeat(100)), Buffer.from("new ".repeat(100))];
  for (const etag of [undefined, '"1"', 'W/"1"']) {
    const one = await web({ [timestamp.path]: old });
    one.behave = (request, response) => {
      one.files.set(timestamp.path, fresh);
      one.behave = one.send;
      const broken = { ...one, files: new Map([[timestamp.path, old]]) };
      breakAfter(broken, 100, etag === undefined ? {} : { etag })!(request, response);
    };
    expect((await device(one).fetch(timestamp)).toString()).toBe(fresh.toString());
  }
});

test("an object that the server lacks is not there, and a missing file is not an error of the network", async () => {
  const one = await web({});
  await expect(device(one).fetch(chunk)).rejects.toMatchObject({ code: "update.notThere" });
  expect(one.asked).toHaveLength(1);
});

test("one repository's word that a file is not there counts, though another is gone", async () => {
  const one = await web({});
  for (const order of [
    [one, "http://127.0.0.1:9"],
    ["http://127.0.0.1:9", one],
  ]) {
    await expect(device(...order).fetch(timestamp)).rejects.toMatchObject({ code: "update.notThere" });
  }
});

test("an object store that lists nothing answers 403 for the root that does not exist yet, and has not failed", async () => {
  const one = await web({ [timestamp.path]: Buffer.from("{}") });
  const listsNothing: Web["behave"] = (request, response) =>
    one.files.has(request.url!.slice(1)) ? one.send(request, response) : void response.writeHead(403).end();
  one.behave = listsNothing;
  const { fetch } = device(one);
  const next = { kind: "file", path: "metadata/2.root.json", maxBytes: 1_000 } as const;
  await expect(fetch(next)).rejects.toMatchObject({ code: "update.notThere" });
  expect((await fetch(timestamp)).toString()).toBe("{}");
  // Metadata that it refuses may be there.
  await expect(fetch({ ...timestamp, path: "metadata/2.snapshot.json" })).rejects.toMatchObject({
    code: "update.unreachable",
  });
});

test("without a repository there is nothing to ask", async () => {
  await expect(device().fetch(timestamp)).rejects.toMatchObject({ code: "update.noRepository" });
});

test.each<[string, Web["behave"]]>([
  ["refuses", (_, response) => response.writeHead(403).end()],
  ["fails", (_, response) => response.writeHead(503).end()],
  ["stalls before its answer", () => {}],
  ["stalls in the middle", (_, response) => response.writeHead(200, { "content-length": 500 }).write("begin")],
  ["hangs up", (request) => request.socket.destroy()],
  [
    "redirects to another host",
    (_, response) => response.writeHead(302, { location: "http://127.0.0.2:9/login" }).end(),
  ],
  ["redirects for ever", (_, response) => response.writeHead(301, { location: "/again" }).end()],
  ["redirects nowhere", (_, response) => response.writeHead(302).end()],
  [
    "shows the login page of a network",
    (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<p>Welcome"),
  ],
  ["compresses", (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end("x")],
  ["is no web server", (request) => request.socket.end("SSH-2.0-OpenSSH_9.2\r\n")],
])("a repository that %s is unreachable, and the next one is asked", async (_, behave) => {
  const [bad, good] = [await web(), await web({ [timestamp.path]: Buffer.from("{}") })];
  bad.behave = behave;
  stallMs = 200;
  await expect(device(bad).fetch(timestamp)).rejects.toMatchObject({ code: "update.unreachable" });
  const { fetch } = device(bad, good);
  expect((await fetch(timestamp)).toString()).toBe("{}");
  const asked = bad.asked.length;
  // It is left alone for a while.
  await fetch(timestamp);
  expect(bad.asked.length).toBe(asked);
  expect(good.asked.length).toBe(2);
});

test("redirects within the host are followed", async () => {
  const one = await web({ "elsewhere.json": Buffer.from("{}") });
  one.behave = (request, response) => {
    if (request.url === "/elsewhere.json") return one.send(request, response);
    response.writeHead(307, { location: "/elsewhere.json" }).end();
  };
  expect((await device(one).fetch(timestamp)).toString()).toBe("{}");
});

test.each<[string, Web["behave"]]>([
  [
    "says that it is too long",
    (_, response) => response.writeHead(200, { "content-length": 1_001 }).end(Buffer.alloc(1_001)),
  ],
  [
    "never ends",
    (_, response) => {
      const go = () => {
        while (!response.destroyed && response.write(Buffer.alloc(1 << 16)));
      };
      response.on("drain", go);
      go();
    },
  ],
])("an answer that %s is cut off", async (_, behave) => {
  const one = await web();
  one.behave = behave;
  const { fetch, carried } = device(one);
  await expect(fetch(timestamp)).rejects.toMatchObject({ code: "update.badObject" });
  expect(carried()).toBeLessThan(10 << 20);
});

test("a damaged object is had from the next repository", async () => {
  const bad = await web({ [path]: Buffer.concat([frame, Buffer.alloc(1)]) });
  await expect(device(bad).fetch(chunk)).rejects.toMatchObject({ code: "update.badObject" });
  expect((await device(bad, await web()).fetch(chunk)).equals(content)).toBe(true);
});

test("whoever hangs up ends the exchange with the repository", async () => {
  const one = await web();
  let isClosed = false;
  one.behave = (request) => request.socket.once("close", () => (isClosed = true));
  const leaving = new AbortController();
  const fetching = device(one).fetch(chunk, leaving.signal);
  await eventually(() => one.asked.length === 1, { every: 5 });
  leaving.abort(new Error("gone"));
  await expect(fetching).rejects.toThrow("gone");
  await eventually(() => isClosed, { every: 5 });
});

/** What a server may do to one request. */
const misdeeds = ["break", "lie", "other", "fail", "hang up", "short", "long", "bent", "honest"] as const;

test("whatever a server does, an object arrives as named or not at all", async () => {
  const one = await web();
  const misdeed = fc.tuple(fc.constantFrom(...misdeeds), fc.nat({ max: frame.length - 1 }));
  await fc.assert(
    fc.asyncProperty(fc.array(misdeed, { maxLength: 6 }), async (script) => {
      const left = [...script];
      one.behave = (request, response) => {
        const [what, at] = left.shift() ?? ["honest", 0];
        const whole = (bytes: Buffer) => response.writeHead(200, { "content-length": bytes.length }).end(bytes);
        const part = (from: number, bytes: Buffer) => {
          const range = `bytes ${from}-${frame.length - 1}/${frame.length}`;
          response.writeHead(206, { "content-range": range, "content-length": bytes.length }).end(bytes);
        };
        const asked = Number(/\d+/.exec(request.headers.range ?? "")?.[0] ?? 0);
        switch (what) {
          case "break":
            return breakAfter(one, at)!(request, response);
          case "lie":
            return part(at, frame.subarray(at));
          case "other":
            return part(asked, randomBytes(frame.length - asked));
          case "fail":
            return response.writeHead(500).end();
          case "hang up":
            return request.socket.destroy();
          case "short":
            return whole(frame.subarray(0, at));
          case "long":
            return whole(Buffer.concat([frame, Buffer.alloc(at)]));
          case "bent":
            return whole(Buffer.from(frame).fill(frame[at]! ^ 1, at, at + 1));
          case "honest":
            return one.send(request, response);
        }
      };
      const got = await device(one)
        .fetch(chunk)
        .catch((error: { code?: string }) => error.code);
      if (Buffer.isBuffer(got)) expect(got.equals(content)).toBe(true);
      else expect(["update.badObject", "update.unreachable"]).toContain(got);
      if (script.length === 0) expect(Buffer.isBuffer(got)).toBe(true);
    }),
    { numRuns: 150 },
  );
});
