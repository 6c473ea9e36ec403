import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodeFrame, frameCutter } from "../../../../image/lab/network/frames.ts";
import { type Hub, makeHub } from "../../../../image/lab/network/hub.ts";

const [broadcast, attic, cellar] = ["ffffffffffff", "52540000000a", "52540000000c"];
const frame = (target: string, source: string, text = "") =>
  Buffer.concat([Buffer.from(target + source, "hex"), Buffer.from([0x88, 0xb5]), Buffer.from(text)]);

function makeLan(names: string[]): {
  hub: Hub;
  send: Record<string, (f: Buffer) => void>;
  heard: Record<string, Buffer[]>;
} {
  const hub = makeHub();
  const heard: Record<string, Buffer[]> = Object.fromEntries(names.map((name) => [name, []]));
  const send = Object.fromEntries(names.map((name) => [name, hub.attach(name, (f) => heard[name]!.push(f))]));
  return { hub, send, heard };
}
const counts = (heard: Record<string, Buffer[]>) => Object.values(heard).map((frames) => frames.length);

test("broadcast and multicast reach every port except the sender's", () => {
  const { send, heard } = makeLan(["a", "b", "c"]);
  send["a"]!(frame(broadcast, attic));
  send["a"]!(frame("3333000000fb", attic));
  expect(counts(heard)).toEqual([0, 2, 2]);
});

test("a frame to a known address goes to its port only; one to an unknown address goes everywhere", () => {
  const { send, heard } = makeLan(["a", "b", "c"]);
  send["a"]!(frame(cellar, attic));
  expect(counts(heard)).toEqual([0, 1, 1]);
  send["b"]!(frame(attic, cellar));
  expect(counts(heard)).toEqual([1, 1, 1]);
});

test("a cut port neither sends nor receives until it heals", () => {
  const { hub, send, heard } = makeLan(["a", "b", "c"]);
  hub.setCut("b", true);
  send["a"]!(frame(broadcast, attic));
  send["b"]!(frame(broadcast, cellar));
  expect(counts(heard)).toEqual([0, 0, 1]);
  hub.setCut("b", false);
  send["b"]!(frame(broadcast, cellar));
  expect(counts(heard)).toEqual([1, 0, 2]);
});

test("frames shorter than an Ethernet header are dropped", () => {
  const { send, heard } = makeLan(["a", "b"]);
  send["a"]!(Buffer.from("short"));
  expect(counts(heard)).toEqual([0, 0]);
});

test("the cutter finds frames however the bytes are split, and refuses an impossible length", () => {
  const seen: string[] = [];
  const take = frameCutter((f) => seen.push(f.toString()));
  const bytes = Buffer.concat([encodeFrame(Buffer.from("one")), encodeFrame(Buffer.from("two"))]);
  for (const byte of bytes) expect(take(Buffer.from([byte]))).toBe(true);
  expect(seen).toEqual(["one", "two"]);
  expect(take(Buffer.from("ffffffff", "hex"))).toBe(false);
});

test("a machine that sends garbage on its unix socket is cut off, and the others continue", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-hub-"));
  const hub = makeHub();
  const sockets: Socket[] = [];
  for (const name of ["a", "b", "c"]) {
    await hub.openPort(name, join(folder, name));
    const socket = connect(join(folder, name));
    await once(socket, "connect");
    sockets.push(socket);
  }
  const [a, b, c] = sockets as [Socket, Socket, Socket];
  const gone = once(c, "close");
  c.resume();
  c.write(Buffer.alloc(8, 0xff));
  await gone;
  const heard = once(b, "data");
  a.write(encodeFrame(frame(broadcast, attic, "still here")));
  expect((await heard)[0].toString("latin1")).toContain("still here");
  for (const socket of sockets) socket.destroy();
  await hub.close();
  await rm(folder, { recursive: true });
});

test("a port that does not read loses frames instead of filling memory", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-hub-"));
  const hub = makeHub();
  await hub.openPort("slow", join(folder, "slow"));
  const slow = connect(join(folder, "slow"));
  await once(slow, "connect");
  slow.pause();
  const send = hub.attach("fast", () => {});
  const big = frame(broadcast, attic, "x".repeat(60_000));
  const before = process.memoryUsage().rss;
  for (let n = 0; n < 5_000; n++) send(big);
  // 300 MB were sent; the queue holds 2 MiB, and the rest is the allocator's overhead.
  expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  slow.destroy();
  await hub.close();
  await rm(folder, { recursive: true });
});
