// Members that bring each other a release, with lenders as hostile as they like.
import { hash, randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openBorrower } from "../../../agent/swarm/borrower.ts";
import { ranked } from "../../../agent/swarm/lenders.ts";
import { provenHeader } from "../../../agent/swarm/question.ts";
import { objectPath, packPath } from "../../../ota/format/names.ts";
import { systemClock } from "../../../system/clock.ts";
import { readAll } from "../../../system/read-all.ts";
import { patchFrame } from "../../ota/patch-frame.ts";
import { serveWeb, type Web } from "../update/web.ts";
import { dark, impatient, type Member, makeHome } from "./home.ts";

const contents = Array.from({ length: 30 }, () => randomBytes(5_000));
const objects = contents.map((content) => ({
  ...{ kind: "object" as const, sha256: hash("sha256", content), sizeBytes: content.length },
}));
const names = ["attic", "cellar", "kitchen"];
/** Who downloads for the others. */
const [downloader = "", second = "", third = ""] = ranked(names, "1.1");

let web: Web;
beforeEach(async () => {
  web = await serveWeb();
  for (const content of contents) web.files.set(objectPath(hash("sha256", content)), zstdCompressSync(content));
});
afterEach(() => web[Symbol.asyncDispose]());

async function getAll(member: Member, from = 0): Promise<void> {
  await Promise.all(
    contents.slice(from).map(async (content, index) => {
      expect((await member.get(objects[from + index]!)).equals(content)).toBe(true);
    }),
  );
}
const countOf = (path: string) => web.asked.filter((asked) => asked.startsWith(`/${path}`)).length;

test("three members that update at once fetch each chunk once, by the downloader of the release", async () => {
  await using home = await makeHome();
  const members = await Promise.all(names.map((name) => home.add(name, { urls: [web.url] })));
  await Promise.all(members.map((member) => getAll(member)));
  expect(countOf("objects/")).toBe(contents.length);
  // What the others got over the mesh cost their lines nothing.
  for (const { id, carried } of members) if (id !== downloader) expect(carried()).toBe(0);
});

test("a member without a way to the web gets everything, metadata too", async () => {
  await using home = await makeHome();
  const file = (path: string) => ({ kind: "file" as const, path, maxBytes: 1_000 });
  const manifest = Buffer.from("a manifest");
  const digestNamed = `targets/nuc/${hash("sha256", manifest)}.newest.json`;
  web.files.set("metadata/timestamp.json", Buffer.from("now"));
  web.files.set(digestNamed, manifest);
  await home.add(downloader, { urls: [web.url] });
  const cut = await home.add(second, { urls: [dark] });
  await expect(cut.get(file("metadata/2.root.json"))).rejects.toMatchObject({ code: "update.notThere" });
  expect((await cut.get(file("metadata/timestamp.json"))).toString()).toBe("now");
  expect((await cut.get(file(digestNamed))).toString()).toBe("a manifest");
  await getAll(cut);
  // What its line carried in vain.
  expect(cut.carried()).toBeLessThan(1_000);

  // The web goes away for all: what one has fetched lately is enough.
  await web[Symbol.asyncDispose]();
  const late = await home.add(third, { urls: [dark] });
  expect((await late.get(file("metadata/timestamp.json"))).toString()).toBe("now");
  await getAll(late);
});

test("members whose repository lacks the release are passed over, however many, and not asked for each chunk", async () => {
  await using home = await makeHome();
  await using other = await serveWeb();
  const order = ranked(["attic", "cellar", "kitchen", "porch", "shed", "stable"], "1.1");
  const [cut = "", good = ""] = order.splice(-2).toReversed();
  for (const id of order) await home.add(id, { urls: [other.url] });
  await home.add(good, { urls: [web.url] });
  const member = await home.add(cut, { urls: [dark] });
  expect((await member.get(objects[0]!)).equals(contents[0]!)).toBe(true);
  expect(other.asked).toHaveLength(order.length);
  await getAll(member, 1);
  expect(other.asked).toHaveLength(order.length);

  // A chunk that nobody has says nothing of anybody.
  await expect(member.get({ ...objects[0]!, sha256: hash("sha256", "nowhere") })).rejects.toThrow();
  expect((await member.get(objects[1]!)).equals(contents[1]!)).toBe(true);
});

test("a member whose own repository lacks a chunk gets it from one whose repository has it", async () => {
  await using home = await makeHome();
  await using other = await serveWeb();
  const first = await home.add(downloader, { urls: [other.url] });
  await expect(first.get(objects[0]!)).rejects.toMatchObject({ code: "update.notThere" });
  await home.add(second, { urls: [web.url] });
  await getAll(first);
});

test("members go on from what they have if the downloader dies in the middle, and fetch little twice", async () => {
  await using home = await makeHome();
  const members = await Promise.all(names.map((name) => home.add(name, { urls: [web.url] })));
  const left = members.filter(({ id }) => id !== downloader);
  // One of them is a step behind the other.
  await Promise.all(objects.slice(0, 15).map((object) => left[0]!.get(object)));
  await members.find(({ id }) => id === downloader)!.die();
  await getAll(left[0]!, 15);
  await getAll(left[1]!);
  expect(countOf("objects/")).toBe(contents.length);
});

test("what the downloader brought to any member before it died is not fetched again, whoever had lacked something before", async () => {
  await using home = await makeHome();
  const all = [...names, "porch", "shed"];
  const [first = "", next = ""] = ranked(all, "1.1");
  const members = new Map<string, Member>();
  for (const name of all) members.set(name, await home.add(name, { urls: [web.url] }));
  const [ahead, ...behind] = all.filter((name) => name !== first && name !== next).map((name) => members.get(name)!);
  // All ask each other in vain, and do not ask again for a while.
  for (const one of [members.get(next)!, ahead!, ...behind]) await one.get(objects[29]!);
  await Promise.all(objects.slice(0, 20).map((object) => ahead!.get(object)));
  await members.get(first)!.die({ isNoticed: false });
  await Promise.all([members.get(next)!, ahead!, ...behind].map((one) => getAll(one)));
  expect(countOf("objects/")).toBeLessThanOrEqual(contents.length + 4);
});

const mischief: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  nothing: () => {},
  "bytes without end": (_, response) => {
    const pour = () => void (response.destroyed || response.write(Buffer.alloc(1 << 20), pour));
    response.writeHead(200);
    pour();
  },
  "a byte now and then": (_, response) => {
    response.writeHead(200);
    const dripping = setInterval(() => response.write("x"), 100);
    response.on("close", () => clearInterval(dripping));
  },
  "a longer length than it brings": (_, response) => {
    response.writeHead(200, { "content-length": 5_000 }).write("x");
    setTimeout(() => response.destroy(), 50);
  },
  "no HTTP": (request) => void request.socket.end("hello\r\n\r\n"),
  "an unknown status": (_, response) => void response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
};

test.each(Object.keys(mischief))("a downloader that sends %s costs time only", async (name) => {
  await using home = await makeHome({ patience: impatient });
  await home.add(downloader, { mischief: mischief[name]! });
  const member = await home.add(second, { urls: [web.url] });
  const startedAt = performance.now();
  await getAll(member);
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  // It is not said to have lied.
  expect(member.liars).toEqual([]);
  expect(countOf("objects/")).toBe(contents.length);
});

test("a member that serves a wrong chunk is named, and not asked again for this release", async () => {
  await using home = await makeHome();
  let asked = 0;
  await home.add(downloader, {
    mischief(_, response) {
      asked += 1;
      response.end(zstdCompressSync(Buffer.alloc(5_000)));
    },
  });
  const member = await home.add(second, { urls: [web.url] });
  expect((await member.get(objects[0]!)).equals(contents[0]!)).toBe(true);
  expect(member.liars).toEqual([downloader]);
  expect(asked).toBe(1);
  await getAll(member);
  expect(asked).toBe(1);
  expect(member.liars).toEqual([downloader]);
  home.release = "1.2";
  await member.get({ kind: "file", path: "metadata/timestamp.json", maxBytes: 9 }).catch(() => {});
  expect(member.liars).toEqual([]);
});

test("a downloader that fetches wrong bytes from its repository lends none of them", async () => {
  await using home = await makeHome();
  await using broken = await serveWeb();
  for (const { sha256 } of objects) broken.files.set(objectPath(sha256), zstdCompressSync(Buffer.alloc(5_000)));
  await home.add(downloader, { urls: [broken.url] });
  const member = await home.add(second, { urls: [web.url] });
  await getAll(member);
  expect(member.liars).toEqual([]);
});

test("metadata comes from the web where there is a way; where there is none, another member is asked at the next check", async () => {
  await using home = await makeHome();
  await home.add(downloader, { mischief: (_, response) => void response.end("old") });
  web.files.set("metadata/timestamp.json", Buffer.from("new"));
  const open = await home.add(second, { urls: [web.url] });
  const cut = await home.add(third, { urls: [dark] });
  const check = async (member: Member) => {
    await member.get({ kind: "file", path: "metadata/2.root.json", maxBytes: 9 }).catch(() => {});
    return (await member.get({ kind: "file", path: "metadata/timestamp.json", maxBytes: 9 })).toString();
  };
  for (let count = 0; count < 3; count++) expect(await check(open)).toBe("new");
  expect(new Set([await check(cut), await check(cut)])).toEqual(new Set(["old", "new"]));
});

test("a member that says nothing, or that has lied, is the last to be asked for metadata", async () => {
  await using home = await makeHome({ patience: impatient });
  const asked = { silent: 0, liar: 0 };
  await home.add("silent", {
    mischief() {
      asked.silent += 1;
    },
  });
  await home.add("liar", {
    mischief(_, response) {
      asked.liar += 1;
      response.end(zstdCompressSync(Buffer.alloc(5_000)));
    },
  });
  const files = ["timestamp", "1.snapshot", "1.targets", "1.nuc"].map((name) => `metadata/${name}.json`);
  for (const path of files) web.files.set(path, Buffer.from("new"));
  await home.add(second, { urls: [web.url] });
  const cut = await home.add(third, { urls: [dark] });
  await cut.get(objects[0]!);
  expect(cut.liars).toEqual(["liar"]);
  Object.assign(asked, { silent: 0, liar: 0 });
  for (const path of files) expect((await cut.get({ kind: "file", path, maxBytes: 9 })).toString()).toBe("new");
  expect(asked.silent).toBeLessThan(2);
  expect(asked.liar).toBe(0);
});

/** A pack of one frame, on the web, and what to ask for. */
function publishPack() {
  const dictionary = randomBytes(20_000);
  const content = Buffer.concat([dictionary.subarray(0, 9_000), randomBytes(500)]);
  const frame = patchFrame(dictionary, content);
  const sha256 = hash("sha256", frame);
  web.files.set(packPath(sha256), frame);
  const request = () => ({
    ...{ kind: "packed" as const, pack: { sha256, sizeBytes: frame.length }, insteadBytes: 9_000 },
    frame: { offset: 0, length: frame.length },
    ...{ sha256: hash("sha256", content), sizeBytes: content.length, dictionary: Buffer.from(dictionary) },
  });
  return { content, frame, path: packPath(sha256), request };
}

test("a frame of a pack comes from members too, and who says that a wrong one is proven is named", async () => {
  await using home = await makeHome();
  const { content, frame, request } = publishPack();
  await home.add(downloader, {
    mischief: async (incoming, response) => {
      const asksToFetch = JSON.parse(await readAll(incoming, 9_000)).how === "fetched";
      if (asksToFetch) response.setHeader(provenHeader, "1").end(randomBytes(frame.length));
      else response.writeHead(204).end();
    },
  });
  const cut = await home.add(second, { urls: [dark] });
  await home.add(third, { urls: [web.url] });
  expect((await cut.get(request())).equals(content)).toBe(true);
  expect(cut.liars).toEqual([downloader]);

  // A damaged slot makes a wrong dictionary, for which no lender is to blame.
  await expect(
    cut.get({ ...request(), frame: { offset: 0, length: frame.length }, dictionary: randomBytes(20_000) }),
  ).rejects.toMatchObject({ code: "update.badObject" });
  expect(cut.liars).toEqual([downloader]);
});

test("a member whose repository has a damaged pack is no liar: the frame comes from others, and chunks still come from it", async () => {
  await using home = await makeHome();
  await using broken = await serveWeb();
  const [{ content, request, path }, later] = [publishPack(), publishPack()];
  for (const one of [{ path }, later]) broken.files.set(one.path, randomBytes(web.files.get(one.path)!.length));
  await home.add(downloader, { urls: [broken.url, web.url] });
  const cut = await home.add(second, { urls: [dark] });
  // The next step of an update that cannot unpack a frame is the chunk.
  await expect(cut.get(request())).rejects.toMatchObject({ code: "update.badObject" });
  expect((await cut.get(objects[0]!)).equals(contents[0]!)).toBe(true);

  await home.add(third, { urls: [web.url] });
  expect((await cut.get(request())).equals(content)).toBe(true);
  expect(cut.liars).toEqual([]);
  // It is not asked for the next frame.
  expect((await cut.get(later.request())).equals(later.content)).toBe(true);
  expect(broken.asked.some((asked) => asked.startsWith(`/${path}`))).toBe(true);
  expect(broken.asked.some((asked) => asked.startsWith(`/${later.path}`))).toBe(false);
  expect((await cut.get(objects[1]!)).equals(contents[1]!)).toBe(true);
});

test("nobody is blamed for a frame by bytes of the web that are wrong themselves", async () => {
  await using home = await makeHome();
  await using broken = await serveWeb();
  const { content, request, path } = publishPack();
  broken.files.set(path, randomBytes(web.files.get(path)!.length));
  const honest = await home.add(downloader, { urls: [web.url] });
  const other = await home.add(second, { urls: [broken.url] });
  expect((await honest.get(request())).equals(content)).toBe(true);
  // The slot of the other one is damaged as well.
  await expect(other.get({ ...request(), dictionary: randomBytes(20_000) })).rejects.toMatchObject({
    code: "update.badObject",
  });
  expect(other.liars).toEqual([]);
});

test("a member says of a frame that it is proven once it has unpacked it itself", async () => {
  await using home = await makeHome();
  const { request } = publishPack();
  const lender = await home.add(downloader, { urls: [web.url] });
  const cut = await home.add(second, { urls: [dark] });
  const borrower = openBorrower({ localAddress: cut.address, port: home.port, clock: systemClock });
  const { dictionary: _, ...wanted } = request();
  const until = { stallMs: 5_000, deadlineMs: 5_000, signal: new AbortController().signal, isAlive: () => true };
  const ask = (how: "kept" | "fetched") => borrower.ask(lender, { how, wanted }, until);
  expect(await ask("kept")).toEqual({ kind: "notKept" });
  expect(await ask("fetched")).toMatchObject({ kind: "bytes", isProven: false });
  expect(await ask("kept")).toMatchObject({ kind: "bytes", isProven: false });
  await lender.get(request());
  expect(await ask("kept")).toMatchObject({ kind: "bytes", isProven: true });
  borrower.close();
});

test("a device whose line is metered takes from others, and its line serves nobody", async () => {
  await using home = await makeHome();
  const metered = await home.add(downloader, { urls: [web.url], isMetered: true, mayFetchForOthers: false });
  const other = await home.add(second, { urls: [web.url] });
  await Promise.all([getAll(metered), getAll(other)]);
  expect(metered.carried()).toBe(0);
  expect(countOf("objects/")).toBe(contents.length);
});
