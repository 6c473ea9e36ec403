// A hostile broker: telemetry stays within its memory and says what is wrong.
import { execFile } from "node:child_process";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { Aedes } from "aedes";
import { afterEach, expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import { startTelemetry } from "../../../agent/telemetry/publisher.ts";
import type { Log } from "../../../system/log.ts";
import { eventually } from "../../eventually.ts";

const ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

async function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ended.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** Telemetry of a device, with every line that it logs; `skip` lets time pass. */
function device(url: string) {
  const said: string[] = [];
  const say = (level: string) => (message: string) => void said.push(`${level}: ${message}`);
  const log: Log = { debug() {}, info: say("info"), warn: say("warn"), error: say("error") };
  let passed = 0;
  const clock = { now: Date.now, monotonic: () => performance.now() + passed };
  const warnings = new Warnings(clock, log);
  let attempts = 0;
  const telemetry = startTelemetry({
    self: {
      ...{ id: "a".repeat(26), neighborhood: "n".repeat(26), board: "nuc", release: "1" },
      name: () => "attic",
      address: "127.0.0.1",
    },
    ...{ port: 1, homeAssistant: false, log, clock, warnings, intervalMs: 60_000, retryMs: 20 },
    brokerAddress: () => {
      attempts += 1;
      return url;
    },
    sample: () => new Promise(() => {}),
    peers: () => [],
    inventory: () => new Promise(() => {}),
  });
  ended.push(() => telemetry.stop());
  return {
    telemetry,
    said,
    warned: () => warnings.list(),
    skip: (ms: number) => {
      passed += ms;
    },
    async ticks(count: number) {
      const before = attempts;
      await eventually(() => attempts >= before + count, { every: 10 });
    },
  };
}

const accepted = Buffer.from([0x20, 2, 0, 0]);
test.each([
  ["256 MB long", Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 0x61])],
  ["longer than any that we subscribe to", Buffer.from([0x30, 0x80, 0x80, 0x02])],
  ["of a length that never ends", Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0xff])],
  ["with QoS 2, to be kept until the broker releases it", Buffer.from([0x34, 5, 0, 1, 0x61, 0, 1])],
  ["that only clients send", Buffer.from([0xc0, 0])],
])("b3-client: a packet %s is refused at its header", async (_what, packet) => {
  let visits = 0;
  const port = await listen((socket) => {
    visits += 1;
    const go = () => {
      while (!socket.destroyed && socket.write(Buffer.alloc(1 << 20)));
    };
    socket.on("drain", go).once("data", () => {
      socket.write(accepted);
      socket.write(packet);
      go();
    });
  });
  const { telemetry, said, warned, skip, ticks } = device(`mqtt://127.0.0.1:${port}`);
  await eventually(() => visits > 2 && !telemetry.isConnected());
  skip(61_000);
  await ticks(3);
  await eventually(() =>
    warned().some(({ code, message }) => code === "broker.unreachable" && /too long or/.test(message)),
  );
  expect(said.filter((line) => line.startsWith("warn: broker "))).toHaveLength(1);
});

test("b3-client: 256 MB from a hostile broker do not stay in memory", async () => {
  const port = await listen((socket) => {
    const block = Buffer.alloc(1 << 20);
    const go = () => {
      while (!socket.destroyed && socket.write(block));
    };
    socket.on("drain", go).once("data", () => {
      socket.write(Buffer.concat([accepted, Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 0x61])]));
      go();
    });
  });
  const script = `
    const { startTelemetry } = await import(${JSON.stringify(new URL("../../../agent/telemetry/publisher.ts", import.meta.url).href)});
    const none = () => new Promise(() => {});
    let refusals = 0;
    const log = { debug() {}, info() {}, error() {}, warn(m) { refusals += 1; } };
    const before = process.memoryUsage.rss();
    const telemetry = startTelemetry({ self: { id: "a".repeat(26), neighborhood: "n".repeat(26), name: () => "x", board: "nuc", release: "1", address: "127.0.0.1" },
      brokerAddress: () => "mqtt://127.0.0.1:${port}", port: 1, homeAssistant: false, log, clock: { now: Date.now, monotonic: () => performance.now() },
      sample: none, peers: () => [], inventory: none, warnings: { list: () => [], raise() {}, clear() {} }, intervalMs: 60000, retryMs: 20 });
    let most = before;
    setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss());
      if (refusals === 0) return;
      console.log(Math.round((most - before) / 1e6));
      process.exit();
    }, 5);`;
  const grown = await new Promise<number>((resolve, reject) => {
    execFile(process.execPath, ["--input-type=module", "-e", script], (error, stdout) =>
      error ? reject(error) : resolve(Number(stdout)),
    );
  });
  expect(grown).toBeLessThan(100);
});

/** A real broker that accepts one user and password. */
async function realBroker(password: string): Promise<number> {
  const aedes = await Aedes.createBroker();
  aedes.authenticate = (_client, user, given, done) => done(null, user === "ha" && String(given) === password);
  ended.push(() => new Promise<void>((resolve) => aedes.close(resolve)));
  return listen(aedes.handle);
}

test.each(["plain123", "with space", "50%off", "100%", "a%zzb", "a%ffb", "p@ss", "p:ss", "a\\b[c]", "grün€"])(
  "mqtt-percent: the device logs in with the password %j, typed without escapes",
  async (password) => {
    const port = await realBroker(password);
    const { telemetry, said } = device(`mqtt://ha:${password}@127.0.0.1:${port}`);
    await eventually(() => telemetry.isConnected());
    expect(said.join()).not.toContain(password);
  },
);

test("mqtt-percent: a refused password raises a warning at once, and the warning names the setting", async () => {
  const port = await realBroker("50%25off");
  const { said, warned, ticks, skip } = device(`mqtt://ha:50%25off@127.0.0.1:${port}`);
  await eventually(() => warned().length > 0);
  expect(warned()).toMatchObject([
    {
      code: "broker.unreachable",
      message: expect.stringMatching(/not authorized|password/i),
      hint: expect.stringMatching(/telemetry\.broker.*% as %25/),
    },
  ]);
  for (let minute = 0; minute < 10; minute++) {
    skip(60_000);
    await ticks(3);
  }
  expect(said).toHaveLength(2);
  expect(said.join()).not.toMatch(/50%/);
});

test("mqtt-percent: a broker that is never reached costs two log lines, whatever the reason", async () => {
  const port = await listen((socket) => socket.destroy());
  for (const url of [
    `mqtt://localhost:1`,
    "mqtt://no-such-host.invalid",
    `mqtts://127.0.0.1:${port}`,
    "mqtt://ha:p/ss@broker",
  ]) {
    const { said, warned, ticks, skip } = device(url);
    for (let minute = 0; minute < 10; minute++) {
      await ticks(5);
      skip(60_000);
    }
    await eventually(() => warned().length === 1);
    expect(warned()[0]).toMatchObject({
      code: "broker.unreachable",
      hint: expect.stringContaining("telemetry.broker"),
    });
    expect(warned()[0]?.message).toMatch(/does not answer: .+/);
    expect([url, said.length]).toEqual([url, 2]);
    expect(said.join()).not.toContain("p/ss");
  }
});

test("mqtt-percent: a broker that accepts and cuts off raises a warning until a connection lasts 30 s", async () => {
  let isPatient = false;
  const port = await listen((socket) => {
    socket.once("data", () => (isPatient ? socket.write(accepted) : socket.end(accepted)));
  });
  const { telemetry, said, warned, ticks, skip } = device(`mqtt://127.0.0.1:${port}`);
  for (let minute = 0; minute < 10; minute++) {
    await ticks(5);
    skip(60_000);
  }
  await eventually(() => warned().some(({ message }) => /it ended the connection/.test(message)));
  expect(said.length).toBeLessThan(5);
  isPatient = true;
  skip(60_000);
  await eventually(() => telemetry.isConnected());
  skip(31_000);
  await eventually(() => warned().length === 0);
});
