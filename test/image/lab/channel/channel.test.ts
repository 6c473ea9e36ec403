import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex, duplexPair } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { expect, test, vi } from "vitest";
import { type Channel, openChannel } from "../../../../image/lab/channel/client.ts";
import { serveChannel } from "../../../../image/lab/channel/server.ts";
import type { ExecRequest } from "../../../../system/doors.ts";
import { type Doors, type Exec, localDoors } from "../../../../system/doors.ts";

const [makeChannel, ready] = [
  (doors: Doors = localDoors) => {
    const [near, far] = duplexPair();
    serveChannel(far, doors);
    return { channel: openChannel(near), near, far };
  },
  (channel: Channel) => new Promise<void>((resolve) => (channel.isReady() ? resolve() : channel.onReady(resolve))),
];
async function openReady(doors?: Doors): Promise<{ channel: Channel; near: Duplex; far: Duplex }> {
  const made = makeChannel(doors);
  await ready(made.channel);
  return made;
}

test("the channel carries a program's input, both outputs and exit code", async () => {
  const { channel } = await openReady();
  const program = channel.exec({ argv: ["sh", "-c", "cat; echo oops >&2; exit 7"] });
  program.stdin.end("hello");
  expect(await Promise.all([text(program.stdout), text(program.stderr), program.exit])).toEqual(["hello", "oops\n", 7]);
});

test("more bytes than the window holds arrive completely and in order", async () => {
  const { channel } = await openReady();
  const program = channel.exec({ argv: ["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; printf end"] });
  program.stdin.end();
  const output = await buffer(program.stdout);
  expect([output.length, output.subarray(-4).toString(), await program.exit]).toEqual([3_000_003, "xend", 0]);
});

test("an exit code waits until the other side has read all output", async () => {
  const { channel } = await openReady();
  const program = channel.exec({ argv: ["sh", "-c", "head -c 400000 /dev/zero; printf end"] });
  const late = new Promise((resolve) => setTimeout(resolve, 3_500)).then(() => buffer(program.stdout));
  const [output, code] = await Promise.all([late, program.exit]);
  expect([output.length, code]).toEqual([400_003, 0]);
});

test("a stalled reader blocks only its own stream", async () => {
  const { channel } = await openReady();
  const stuck = channel.exec({ argv: ["yes"] });
  const other = channel.exec({ argv: ["echo", "free"] });
  other.stdin.end();
  expect(await text(other.stdout)).toBe("free\n");
  stuck.kill();
  expect(await stuck.exit).toBe(137);
});

test("a program that cannot start gives an error that says why", async () => {
  const { channel } = await openReady();
  await expect(channel.exec({ argv: ["/nonexistent"] }).exit).rejects.toMatchObject({ code: "lab.execFailed" });
});

test("a program on a terminal sees the requested size", async () => {
  const { channel } = await openReady();
  const program = channel.exec({ argv: ["stty", "size"], terminal: { rows: 33, columns: 101 } });
  program.stdin.end();
  expect((await text(program.stdout)).trim()).toBe("33 101");
});

test("HTTP reaches a unix socket behind the channel", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-channel-"));
  const server = createServer((_, response) => response.end("behind")).listen(join(folder, "s"));
  await once(server, "listening");
  const { channel } = await openReady();
  const asked = request({ path: "/", createConnection: () => channel.connect(join(folder, "s")) });
  asked.end();
  const [answer] = await once(asked, "response");
  expect(await text(answer)).toBe("behind");
  server.close();
  await rm(folder, { recursive: true });
});

test("a missing socket fails only its own stream", async () => {
  const { channel } = await openReady();
  const [error] = await once(channel.connect("/nonexistent/socket"), "error");
  expect(error).toMatchObject({ code: "lab.execFailed" });
  expect(channel.isReady()).toBe(true);
});

test("a channel works through another channel, as the supervisor uses it for a command", async () => {
  const inner = await openReady();
  const outer = await openReady(inner.channel);
  const program = outer.channel.exec({ argv: ["sh", "-c", "wc -c; exit 3"] });
  program.stdin.end(Buffer.alloc(1_000_000));
  expect([(await text(program.stdout)).trim(), await program.exit]).toEqual(["1000000", 3]);
});

test("if the host is replaced in the middle of a line, the next session starts clean and old programs end", async () => {
  const [oldHost, guestSide] = duplexPair();
  serveChannel(guestSide, localDoors);
  const first = openChannel(oldHost);
  await ready(first);
  const program = first.exec({ argv: ["sleep", "1000"] });
  program.exit.catch(() => {});
  oldHost.write('{"t":"exec","s":9,"req');
  // A second client on the same line, as after the supervisor reconnects to the port.
  const second = openChannel(oldHost);
  await ready(second);
  const answer = second.exec({ argv: ["echo", "clean"] });
  answer.stdin.end();
  expect(await text(answer.stdout)).toBe("clean\n");
});

test("a restarted service resets its host: running programs fail, new ones work", async () => {
  const started: Exec[] = [];
  const exec = (request: ExecRequest) => {
    started.push(localDoors.exec(request));
    return started[0]!;
  };
  const { channel, far } = await openReady({ ...localDoors, exec });
  const lost = channel.exec({ argv: ["sleep", "1000"] });
  far.removeAllListeners("data");
  serveChannel(far, localDoors);
  await expect(lost.exit).rejects.toMatchObject({ code: "lab.execFailed" });
  await ready(channel);
  const program = channel.exec({ argv: ["true"] });
  expect(await program.exit).toBe(0);
  // In a machine, systemd ends the programs of the former service.
  for (const one of started) one.kill();
});

test("a service that is stopped tells its host at once: no program of it seems to run until the next start", async () => {
  const [near, far] = duplexPair();
  const leave = serveChannel(far, localDoors);
  const channel = openChannel(near);
  await ready(channel);
  const program = channel.exec({ argv: ["sleep", "100"] });
  const failed = expect(program.exit).rejects.toMatchObject({ code: "lab.execFailed" });
  await leave();
  await failed;
  expect(channel.isReady()).toBe(false);
});

test("a lost hello is repeated until it is answered", () => {
  vi.useFakeTimers();
  try {
    const said: string[] = [];
    const line = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        said.push(...String(chunk).split("\n").filter(Boolean));
        done();
      },
    });
    const channel = openChannel(line);
    vi.advanceTimersByTime(40_000);
    const hellos = said.map((text) => JSON.parse(text)).filter(({ t }) => t === "hello");
    expect(hellos.length).toBeGreaterThan(1);
    line.emit("data", Buffer.from(`${JSON.stringify({ t: "ready", session: hellos.at(-1).session })}\n`));
    expect(channel.isReady()).toBe(true);
    said.length = 0;
    vi.advanceTimersByTime(40_000);
    expect(said).toEqual([]);
    channel.close();
  } finally {
    vi.useRealTimers();
  }
});

test("b3-client: a machine that sends more than its window loses that stream, and memory use stays bounded", async () => {
  const { channel, far } = await openReady();
  const [stuck, other] = [channel.exec({ argv: ["sleep", "60"] }), channel.exec({ argv: ["echo", "free"] })];
  other.stdin.end();
  expect(await text(other.stdout)).toBe("free\n");
  const d = Buffer.alloc(16 << 10).toString("base64");
  for (let sent = 0; sent < 64 << 20; sent += 16 << 10) far.write(`${JSON.stringify({ t: "data", s: 1, c: 1, d })}\n`);
  await vi.waitFor(() => expect(stuck.stdout.destroyed).toBe(true), 10_000);
  expect(channel.isReady()).toBe(true);
  stuck.kill();
  expect(await stuck.exit).toBe(137);
});
