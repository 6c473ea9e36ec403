// Hello and the public page over real sockets on loopback.

import { createServer as createHttpServer, request } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { Acquaintances } from "../../../agent/discovery/acquaintances.ts";
import type { ServePage } from "../../../agent/discovery/door.ts";
import { type Doorstep, type DoorstepOptions, startDoorstep } from "../../../agent/discovery/doorstep.ts";
import { makeHearing } from "../../../agent/discovery/hearing.ts";
import { type Hello, sayHello } from "../../../agent/discovery/hello.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import { wireguardPrivateKeyOf } from "../../../provisioning/trust/wireguard-key.ts";
import { HamletError } from "../../../system/error.ts";
import { silentLog } from "../../../system/log.ts";
import { eventually } from "../../eventually.ts";

const presence = "p".repeat(86);
const hello: Hello = { record: "aa.bb.cc", presence, known: [], revocations: [] };
const answer: Hello = { record: "dd.ee.ff", presence, known: [], revocations: ["a.b.c"] };
const elm = deviceIdOf(generateSigningKey().publicKey);
const [attic, cellar] = [generateSigningKey(), generateSigningKey()];
/** Says hello as the cellar. */
const greet = async (address: string, port: number, options: { timeoutMs?: number } = {}) => {
  const self = { id: deviceIdOf(cellar.publicKey), neighborhood: elm };
  return (await sayHello({ address, port }, self, () => hello, options)).hello;
};
const onOrders = async () => [];
const onQuestion = async () => ({});
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "::", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
async function makeDoorstep(
  onHello: (hello: Hello, from: string) => Promise<Hello> = async () => answer,
  options: Partial<DoorstepOptions> = {},
) {
  const port = await freePort();
  const raised: string[] = [];
  const warnings = { raise: (code: string) => void raised.push(code), clear: () => {} };
  const page: ServePage = ({ url }, response) => response.writeHead(200, { "x-url": url }).end("a device");
  const doorstep: Doorstep = await startDoorstep({
    ports: [port],
    hear: makeHearing({
      ...{ id: deviceIdOf(attic.publicKey), neighborhood: elm, wireguardKey: wireguardPrivateKeyOf(attic) },
      clock: { monotonic: () => performance.now() },
      onHello: (heard, _talk, from) => onHello(heard, from),
    }),
    onOrders,
    onQuestion,
    page,
    log: silentLog,
    warnings,
    ...options,
  });
  open.push(() => doorstep.stop());
  return { port, raised };
}
/** No limit is refilled, however busy this computer is. */
const standing = { now: Date.now, monotonic: () => 0 };
/** Sends bytes and resolves to all that comes back. */
const exchange = (port: number, bytes: string | Buffer) =>
  new Promise<string>((resolve) => {
    let told = "";
    const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(bytes));
    socket.setEncoding("utf8").on("data", (text) => (told += text));
    socket.on("close", () => resolve(told)).on("error", () => {});
    socket.setTimeout(3_000, () => socket.destroy());
  });
const codeOf = (text: string) => (JSON.parse(text.slice(text.indexOf("{"))) as { code: string }).code;
const post = (body: string, headers = "") =>
  `POST /v1/hello HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;

test("answers a hello by IPv4 and IPv6, and passes on the sender's address", async () => {
  const from: string[] = [];
  const { port } = await makeDoorstep(async (heard, address) => {
    expect(heard).toEqual(hello);
    from.push(address);
    return answer;
  });
  expect(await greet("127.0.0.1", port)).toEqual(answer);
  expect(await greet("::1", port)).toEqual(answer);
  expect(from).toEqual(["127.0.0.1", "::1"]);
});

test("a refused sender learns the code and nothing else", async () => {
  const { port } = await makeDoorstep(async () => {
    throw new HamletError("api.refused", "expired");
  });
  await expect(greet("127.0.0.1", port)).rejects.toMatchObject({
    code: "hello.refused",
    message: expect.stringContaining("expired"),
  });
});

test("an internal error is reported without its message", async () => {
  const { port } = await makeDoorstep(async () => {
    throw new TypeError("secret undefined");
  });
  await expect(greet("127.0.0.1", port)).rejects.toMatchObject({
    message: expect.not.stringContaining("secret"),
    code: "hello.refused",
  });
});

describe("answers bad input with a code and keeps serving", () => {
  test.each([
    ["bytes that are not HTTP", Buffer.from([0, 1, 2, 255, 13, 10, 13, 10]), 400, "hello.invalid"],
    ["a TLS handshake", Buffer.from("16030100c8010000c40303", "hex"), 400, "hello.invalid"],
    [
      "a header of 100 kB",
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
      400,
      "hello.invalid",
    ],
    ["no JSON", post("hello?"), 400, "hello.invalid"],
    ["JSON of another shape", post('{"record":1}'), 400, "hello.invalid"],
    ["an id that is none", post('{"id":"<script>","nonce":"aaaaaaaaaaaaaaaaaaaaaa"}'), 400, "hello.invalid"],
    ["an envelope for another", post('{"jwe":"aa.bb.cc.dd.ee"}'), 400, "hello.invalid"],
    ["a body of 65 kB", post(JSON.stringify({ ...hello, x: "x".repeat(65 << 10) })), 400, "hello.invalid"],
    ["JSON nested ten thousand deep", post("[".repeat(10_000)), 400, "hello.invalid"],
    ["a browser's page", post(JSON.stringify(hello), "Origin: http://evil.example\r\n"), 403, "api.refused"],
    ["a rebound host name", post("{}").replace("Host: 127.0.0.1", "Host: evil.example"), 421, "api.refused"],
    ["no Host at all", "POST /v1/hello HTTP/1.0\r\n\r\n", 421, "api.refused"],
    ["another method", "DELETE / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 405, "api.refused"],
  ])("%s", async (_what, bytes, status, code) => {
    const { port } = await makeDoorstep();
    const told = await exchange(port, bytes);
    expect(told).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(codeOf(told)).toBe(code);
    expect(await greet("127.0.0.1", port)).toEqual(answer);
  });

  test("ends an endless body without a length", async () => {
    const { port } = await makeDoorstep();
    const chunk = `4000\r\n${"x".repeat(0x4000)}\r\n`;
    const told = await exchange(
      port,
      `POST /v1/hello HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(20)}`,
    );
    expect(codeOf(told)).toBe("hello.invalid");
  });

  test("delays the twenty-first hello within a second, and still serves the page", async () => {
    const { port } = await makeDoorstep(undefined, { clock: standing });
    const outcomes: PromiseSettledResult<Hello>[] = [];
    for (let round = 0; round < 10; round++) {
      const four = Array.from({ length: 4 }, () => greet("127.0.0.1", port));
      outcomes.push(...(await Promise.allSettled(four)));
    }
    const answers = outcomes.filter(({ status }) => status === "fulfilled").length;
    expect(answers).toBeGreaterThanOrEqual(20);
    expect(answers).toBeLessThan(30);
    expect(outcomes.find(({ status }) => status === "rejected")).toMatchObject({ reason: { code: "hello.refused" } });
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
  });
});

/** A connection from a loopback address, with a request that never ends. */
async function holdOpen(port: number, localAddress: string) {
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  const closed = new Promise<void>((resolve) => socket.on("error", () => {}).once("close", () => resolve()));
  await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
  socket.write("POST /v1/hello HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{");
  open.push(() => socket.destroy());
  return { socket, closed };
}
const countOpen = (held: { socket: Socket }[]) => held.filter(({ socket }) => !socket.destroyed).length;

test("one host with eighty unfinished requests holds eight places, and others get answers", async () => {
  const { port } = await makeDoorstep();
  const held = await Promise.all(Array.from({ length: 80 }, () => holdOpen(port, "127.0.0.66")));
  expect(await greet("127.0.0.1", port)).toEqual(answer);
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
  await eventually(() => expect(countOpen(held)).toBe(8));
});

test("when all places are taken, the host with the most gives one up for a newcomer", async () => {
  const { port } = await makeDoorstep();
  const greedy = await Promise.all(Array.from({ length: 8 }, () => holdOpen(port, "127.0.0.66")));
  const others: { socket: Socket }[] = [];
  for (let host = 1; host <= 8; host++) {
    others.push(...(await Promise.all(Array.from({ length: 7 }, () => holdOpen(port, `127.0.1.${host}`)))));
  }
  await expect(Promise.all([greet("127.0.0.1", port)])).resolves.toEqual([answer]);
  await eventually(() => expect([countOpen(greedy), countOpen(others)]).toEqual([7, 56]));
});

/** The status of a hello from a loopback address. */
const helloFrom = (port: number, localAddress: string, record = hello.record) =>
  new Promise<number>((resolve, reject) => {
    const body = JSON.stringify({ ...hello, record });
    const asked = request({
      ...{ host: "127.0.0.1", port, localAddress, method: "POST", path: "/v1/hello" },
      agent: false,
    });
    asked.on("response", (response) => resolve(response.resume().statusCode!)).on("error", reject);
    asked.setHeader("content-length", body.length);
    asked.end(body);
  });
/** Answers those that say `honest`, refuses the others, counts both. It has its own clock, so that a busy machine changes nothing. */
async function makeCrowdedDoorstep(options: Partial<DoorstepOptions> = {}) {
  let now = 0;
  const heard = { honest: 0, refused: 0 };
  const { port } = await makeDoorstep(undefined, {
    async hear(body) {
      const isHonest = (body as Hello).record.startsWith("honest");
      heard[isHonest ? "honest" : "refused"] += 1;
      if (!isHonest) throw new HamletError("hello.refused", "no");
      return { answer, isMember: true };
    },
    clock: { now: () => now, monotonic: () => now },
    ...options,
  });
  return { port, heard, pass: (ms: number) => (now += ms) };
}
/** Hellos from 256 addresses in turn, a hundred a second by the doorstep's clock. */
async function crowd({ port, pass }: { port: number; pass(ms: number): void }, hellos: number, each = async () => {}) {
  for (let n = 0; n < hellos; n += 8) {
    const round = Array.from({ length: 8 }, (_, m) =>
      helloFrom(port, `127.1.${((n + m) >> 4) & 15}.${1 + ((n + m) & 15)}`),
    );
    await Promise.all(round);
    pass(80);
    await each();
  }
}

test("h1-attacker: 256 addresses that say hello a hundred times a second get their share; a member gets every answer", async () => {
  const door = await makeCrowdedDoorstep();
  expect(await helloFrom(door.port, "127.0.0.2", "honest.y.z")).toBe(200);
  let rounds = 0;
  await crowd(door, 800, async () => {
    if (rounds++ % 10 === 0) expect(await helloFrom(door.port, "127.0.0.2", "honest.y.z")).toBe(200);
  });
  expect(door.heard.honest).toBe(11);
  expect(door.heard.refused).toBeLessThanOrEqual(240 + 20 * 8);
});

test("h1-honest: a device never seen before gets an answer in the middle of it", async () => {
  const door = await makeCrowdedDoorstep();
  await crowd(door, 800);
  expect(await helloFrom(door.port, "127.0.0.2", "honest.y.z")).toBe(200);
});

test("h1-server: a member known from its record gets an answer to its first hello", async () => {
  const acquaintances = new Acquaintances((address) => address === "127.0.0.2");
  const door = await makeCrowdedDoorstep({ acquaintances });
  // The strangers' share is used up, and they have only just begun.
  await crowd(door, 256);
  expect(await helloFrom(door.port, "127.0.0.2", "honest.y.z")).toBe(200);
});

describe("h2-slow: clients that say hello slowly or not at all", () => {
  const half = {
    idle: "",
    headers: "POST /v1/hello HTTP/1.1\r\nHost: attic.local\r\n",
    body: "POST /v1/hello HTTP/1.1\r\nHost: attic.local\r\nContent-Length: 60000\r\n\r\n{",
    bighead: `POST /v1/hello HTTP/1.1\r\nHost: attic.local\r\n${"X: y\r\n".repeat(400)}`,
  };
  const knock = (port: number, localAddress: string, bytes: string) =>
    new Promise<Socket>((resolve) => {
      const socket = connect({ port, host: "127.0.0.1", localAddress });
      open.push(() => socket.destroy());
      socket.on("error", () => {}).resume();
      socket.once("connect", () => bytes && socket.write(bytes));
      socket.once("connect", () => resolve(socket)).once("close", () => resolve(socket));
    });

  test.each(Object.entries(half))(
    "%s: 300 from as many addresses keep out neither a member nor a newcomer",
    async (_kind, bytes) => {
      const door = await makeCrowdedDoorstep();
      expect(await helloFrom(door.port, "127.0.0.2", "honest.y.z")).toBe(200);
      const sockets: Socket[] = [];
      for (let n = 0; n < 300; n++) {
        sockets.push(await knock(door.port, `127.2.${n >> 6}.${1 + (n & 63)}`, bytes));
        if (n % 50 === 49) expect(await helloFrom(door.port, "127.0.0.2", "honest.y.z")).toBe(200);
      }
      door.pass(60_000);
      expect(await helloFrom(door.port, "127.0.0.3", "honest.y.z")).toBe(200);
      await eventually(() => sockets.filter((socket) => !socket.destroyed).length <= 64);
    },
  );

  test("members keep their places, whatever strangers hold", async () => {
    const acquaintances = new Acquaintances((address) => address === "127.0.0.2");
    const { port } = await makeDoorstep(undefined, { acquaintances });
    const slow = await holdOpen(port, "127.0.0.2");
    for (let n = 0; n < 200; n++) await knock(port, `127.2.${n >> 6}.${1 + (n & 63)}`, half.body);
    expect(slow.socket.destroyed).toBe(false);
  });

  test("each stage has its time limit, and the log has each line once", async () => {
    const lines: string[] = [];
    const note = (line: string) => void lines.push(line);
    const door = await makeCrowdedDoorstep({ log: { debug: note, info: note, warn: note, error: note } });
    const sockets = await Promise.all(
      Object.values(half).flatMap((bytes, kind) =>
        Array.from({ length: 8 }, (_, n) => knock(door.port, `127.3.${kind}.${1 + n}`, bytes)),
      ),
    );
    for (let n = 0; n < 100; n++) (await knock(door.port, `127.4.0.${1 + n}`, half.body)).destroy();
    // The doorstep ends them, not this test.
    await eventually(() => sockets.every(({ destroyed }) => destroyed), { within: 15_000 });
    expect(lines).toEqual([]);
  });
});

test("the page gets a policy that allows nothing, unless it sets its own", async () => {
  const { port } = await makeDoorstep();
  const response = await fetch(`http://127.0.0.1:${port}/x?y`);
  expect(await response.text()).toBe("a device");
  expect(response.headers.get("x-url")).toBe("/x?y");
  expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(response.headers.get("access-control-allow-origin")).toBeNull();
});

test("a taken port causes a coded warning and does not end the process", async () => {
  const { port } = await makeDoorstep();
  const raised: string[] = [];
  const warnings = {
    raise: (code: string, _m: string, _h: string, of?: string) => void raised.push(`${code} ${of}`),
    clear() {},
  };
  const page: ServePage = (_request, response) => response.end();
  const second = await startDoorstep({
    ports: [port],
    hear: async () => ({ answer, isMember: true }),
    onOrders,
    onQuestion,
    page,
    log: silentLog,
    warnings,
  });
  open.push(() => second.stop());
  expect(raised).toEqual([`port.taken ${port}`]);
});

describe("the sender of a hello is careful too", () => {
  const serve = async (body: string, status = 200) => {
    const server = createHttpServer((_request, response) => response.writeHead(status).end(body));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    open.push(
      () => server.closeAllConnections(),
      () => new Promise((resolve) => server.close(resolve)),
    );
    return (server.address() as { port: number }).port;
  };
  test.each([
    ["no JSON", "<html>router login</html>"],
    ["another shape", "{}"],
    ["more than a hello may hold", `{"record":"a.b.c","x":"${"x".repeat(70_000)}"}`],
  ])("an answer that is %s", async (_what, body) => {
    await expect(greet("127.0.0.1", await serve(body))).rejects.toMatchObject({ code: "hello.invalid" });
  });
  test("a refusal in another form", async () => {
    const port = await serve("not found", 404);
    await expect(greet("127.0.0.1", port)).rejects.toMatchObject({ code: "hello.refused" });
  });
  test("a refusal by whoever answers there: it is passed on, and says nothing about adoption", async () => {
    const port = await serve('{"code":"hello.pending","message":"waiting for adoption"}', 403);
    await expect(greet("127.0.0.1", port)).rejects.toMatchObject({
      code: "hello.refused",
      message: "127.0.0.1 did not answer our hello: hello.pending waiting for adoption",
    });
  });
  test("no listener, or one that never answers", async () => {
    await expect(greet("127.0.0.1", await freePort())).rejects.toMatchObject({ code: "device.noAnswer" });
    const mute = createServer(() => {});
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
    open.push(() => mute.close());
    const { port } = mute.address() as { port: number };
    await expect(greet("127.0.0.1", port, { timeoutMs: 100 })).rejects.toMatchObject({
      code: "device.noAnswer",
      message: expect.stringContaining("100 ms"),
    });
  });
});

test("a sender over its limit is told to wait, by code, before its hello is read", async () => {
  let heard = 0;
  const onHello = async () => {
    heard++;
    return answer;
  };
  const { port } = await makeDoorstep(onHello, { clock: standing });
  const told = await Promise.all(Array.from({ length: 60 }, () => exchange(port, post("no hello at all"))));
  const codes = told.filter((text) => text.includes("{")).map(codeOf);
  expect(new Set(codes)).toEqual(new Set(["hello.invalid", "hello.busy"]));
  expect(told.find((text) => text.includes("hello.busy"))).toMatch(/^HTTP\/1.1 429/);
  expect(heard).toBe(0);
});

test("orders: documents go to the device, and its refusal comes back; browsers and floods are refused", async () => {
  const order = (body: string, headers = "") => post(body, headers).replace("/v1/hello", "/v1/orders");
  const onOrders = async ([jws]: readonly string[]) => {
    if (jws === "aa.forged.cc") throw new HamletError("document.refused", "the root did not sign this");
    return [{ kind: "adoption", outcome: "new", counts: true } as const];
  };
  const { port } = await makeDoorstep(undefined, { onOrders, clock: standing });
  const sent = (...documents: string[]) => order(JSON.stringify({ documents }));
  expect(await exchange(port, sent("aa.bb.cc"))).toMatch(
    /200 OK.*"taken":\[\{"kind":"adoption","outcome":"new","counts":true\}\]/s,
  );
  const forged = await exchange(port, sent("aa.forged.cc"));
  expect([forged.slice(9, 12), codeOf(forged)]).toEqual(["403", "document.refused"]);
  for (const body of ["orders?", "{}", '{"documents":[]}', '{"documents":["<script>"]}']) {
    expect(await exchange(port, order(body))).toMatch(/ 400 /);
  }
  expect(await exchange(port, order('{"documents":["aa.bb.cc"]}', "Origin: http://evil.example\r\n"))).toMatch(/ 403 /);
  const told = await Promise.all(Array.from({ length: 30 }, () => exchange(port, sent("aa.bb.cc"))));
  expect(told.some((answer) => answer.includes(" 429 "))).toBe(true);
});
