import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type AddressInfo, connect, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import { afterEach, expect, test } from "vitest";
import { AgentConfig } from "../../../agent/config.ts";
import { startTelemetry, type TelemetryOptions } from "../../../agent/telemetry/publisher.ts";
import { targetOf } from "../../../agent/telemetry/transport.ts";
import { startBroker } from "../../../ota/fleet/broker.ts";
import { systemClock } from "../../../system/clock.ts";
import { run } from "../../../system/command.ts";
import { type Log, silentLog } from "../../../system/log.ts";
import { eventually } from "../../eventually.ts";
import { lacks } from "../../lacks.ts";

const hood = "n".repeat(26);
const attic = "a".repeat(26);
const ended: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

async function makeCertificate(host: string) {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-tls-"));
  ended.push(() => rm(folder, { recursive: true }));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  await run([
    ...(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "1", "-subj", "/CN=broker"] as const),
    ...["-addext", `subjectAltName=${host}`, "-keyout", key, "-out", cert],
  ]);
  return { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
}

/** An external broker with TLS: what it received, decrypted and on the wire, and how many connections. */
async function tlsBroker(certificate: { key: string; cert: string }) {
  const broker = await startBroker({
    ...{ address: "127.0.0.1", port: 0, neighborhood: hood, log: silentLog },
    deviceOfAddress: (from) => (from === "127.0.0.2" ? attic : undefined),
  });
  ended.push(() => broker.stop());
  const received = { text: "", wire: "", visits: 0 };
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket.on("error", () => {}));
    return socket;
  };
  const server: Server = createServer(certificate, (socket) => {
    const inner = keep(connect({ host: "127.0.0.1", port: broker.port, localAddress: "127.0.0.2" }));
    socket.on("data", (chunk) => {
      received.text += chunk.toString("latin1");
    });
    keep(socket).pipe(inner).pipe(socket);
  });
  server.on("tlsClientError", () => {});
  server.on("connection", (socket) => {
    received.visits += 1;
    keep(socket).on("data", (chunk) => {
      received.wire += chunk.toString("latin1");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ended.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { received, url: `mqtts://attic:s3cret@127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function device(url: string, options: Partial<TelemetryOptions>) {
  const made = startTelemetry({
    self: { id: attic, neighborhood: hood, name: () => "attic", board: "nuc", release: "1", address: "127.0.0.2" },
    ...{ brokerAddress: () => url, port: 1, homeAssistant: true, clock: systemClock, intervalMs: 60_000, retryMs: 20 },
    sample: () => Promise.reject(new Error("none in this test")),
    peers: () => [],
    inventory: () => Promise.reject(new Error("none in this test")),
    warnings: { list: () => [], raise() {}, clear() {} },
    log: silentLog,
    ...options,
  });
  ended.push(() => made.stop());
  return made;
}

test.skipIf(lacks("openssl"))("everything to an mqtts:// broker is encrypted, the password included", async () => {
  const certificate = await makeCertificate("IP:127.0.0.1");
  const { received, url } = await tlsBroker(certificate);
  const telemetry = device(url, { tls: { ca: certificate.cert } });
  await eventually(() => telemetry.isConnected() && received.text.includes('"online"'));
  expect(received.text).toContain("s3cret");
  expect(received.wire).not.toContain("s3cret");
});

test.skipIf(lacks("openssl")).each([
  ["of an unknown authority", "IP:127.0.0.1", false],
  ["for another name", "DNS:elsewhere.example", true],
])("a broker with a certificate %s receives nothing, and the device says why", async (_what, host, isTrusted) => {
  const certificate = await makeCertificate(host);
  const { received, url } = await tlsBroker(certificate);
  const said: string[] = [];
  const log: Log = { ...silentLog, warn: (message) => said.push(message) };
  const raised: string[] = [];
  let passed = 0;
  const telemetry = device(url, {
    ...(isTrusted && { tls: { ca: certificate.cert } }),
    log,
    clock: { now: Date.now, monotonic: () => performance.now() + passed },
    warnings: { list: () => [], raise: (code, message) => raised.push(`${code}: ${message}`), clear() {} },
  });
  await eventually(() => received.visits > 2);
  passed = 61_000;
  await eventually(() =>
    raised.some((message) => /^broker.unreachable: .* does not answer: .*certificate/i.test(message)),
  );
  expect(telemetry.isConnected()).toBe(false);
  expect(said.filter((message) => /certificate/i.test(message))).toHaveLength(1);
  expect(received.text).toBe("");
  expect([received.wire, ...said, ...raised].join()).not.toContain("s3cret");
});

test("a mesh address, mqtt:// and mqtts:// each have their own port", () => {
  expect(targetOf("fd00::1", 1999)).toEqual({ host: "fd00::1", port: 1999, transport: "mesh" });
  expect(targetOf("mqtt://broker.example", 1999)).toMatchObject({ port: 1883, transport: "clear" });
  expect(targetOf("mqtts://me:p%40ss@[fd00::2]", 1999)).toEqual({
    ...{ host: "fd00::2", port: 8883, transport: "tls" },
    ...{ username: "me", password: "p@ss" },
  });
});

test("telemetry.broker is an mqtt:// or mqtts:// URL", () => {
  const parse = (broker: string) => AgentConfig.safeParse({ telemetry: { broker } }).success;
  for (const url of ["mqtt://broker", "mqtts://me:secret@broker.example:8884", "mqtts://[fd00::2]"]) {
    expect([url, parse(url)]).toEqual([url, true]);
  }
  for (const url of ["broker", "fd00::1", "http://broker", "ws://broker", "ssl://broker", "mqtts:", "mqtts://", ""]) {
    expect([url, parse(url)]).toEqual([url, false]);
  }
});
