// A member that is asked what it sees of another one, and one that asks.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { askWitnesses } from "../../../agent/witness/ask.ts";
import { maxAnswerBytes, WitnessAnswer } from "../../../agent/witness/request.ts";
import { makeWitness, type Sight, type WitnessOptions } from "../../../agent/witness/witness.ts";
import { verifyStatement } from "../../../provisioning/trust/witness.ts";
import { makeDevice, makeStreet, makeToken, recordOf } from "../../street.ts";

const elm = makeStreet();
const token = await makeToken(elm);
const [attic, cellar] = [await makeDevice(elm, token, "attic"), await makeDevice(elm, token, "cellar")];
const record = await recordOf(attic);
const nonce = "n".repeat(22);
const request = (over: object = {}) => Buffer.from(JSON.stringify({ v: 1, nonce, ...over }));
let now: number;
let sight: Sight | undefined;

const witnessWith = (over: Partial<WitnessOptions> = {}) =>
  makeWitness({
    self: { id: cellar.id, key: cellar.key },
    sight: (device) => (device === attic.id ? sight : undefined),
    fetchRecord: async () => record,
    clock: { now: () => now, monotonic: () => now },
    ...over,
  });
function read(body: string) {
  const { statement } = WitnessAnswer.parse(JSON.parse(body));
  return verifyStatement(statement, { by: cellar.id, key: cellar.key.publicKey, device: attic.id, nonce });
}

beforeEach(() => {
  now = 100_000;
  sight = { isAlive: true, bootId: "boot-2", latestHandshakeMs: 97_500 };
});

describe("a witness", () => {
  test("says, signed, what it sees itself of whoever asks", async () => {
    const { status, body } = await witnessWith()(attic.id, request());
    expect(status).toBe(200);
    expect(read(body)).toEqual({
      ...{ v: 1, by: cellar.id, device: attic.id, nonce, duties: [] },
      ...{ handshakeS: 3, gossip: "boot-2", connection: attic.record.bootId },
    });
    expect(body.length).toBeLessThan(maxAnswerBytes / 2);
  });

  test("answers a question that a later release has added to", async () => {
    expect(await witnessWith()(attic.id, request({ duties: ["relay"] }))).toMatchObject({ status: 200 });
  });

  test.each<[string, () => void, string]>([
    ["a device that gossip calls dead", () => (sight!.isAlive = false), "gossip"],
    ["a device without a handshake", () => delete sight!.latestHandshakeMs, "handshakeS"],
    ["a handshake while its own clock was set back", () => (sight!.latestHandshakeMs = now + 1), "handshakeS"],
  ])("leaves out what it does not see of %s", async (_, change, missing) => {
    change();
    expect(read((await witnessWith()(attic.id, request())).body)).not.toHaveProperty(missing);
  });

  test.each<[string, WitnessOptions["fetchRecord"]]>([
    ["nobody answers", () => Promise.reject(new Error("connection refused"))],
    ["somebody hangs", () => new Promise(() => {})],
    ["another device answers", () => recordOf(cellar)],
    ["garbage comes", async () => "{}"],
  ])("says nothing of its own connection if %s, and the rest all the same", async (_, fetchRecord) => {
    const statement = read((await witnessWith({ fetchRecord, connectMs: 20 })(attic.id, request())).body);
    expect(statement).not.toHaveProperty("connection");
    expect(statement).toMatchObject({ gossip: "boot-2" });
  });

  test("answers members alone, and only questions", async () => {
    const witness = witnessWith();
    expect(await witness(cellar.id, request())).toMatchObject({ status: 403 });
    const garbage = ["", "{", "[]", '{"v":1}', `{"v":2,"nonce":"${nonce}"}`, `{"v":1,"nonce":"${"x".repeat(2_000)}"}`];
    for (const body of garbage) expect(await witness(attic.id, Buffer.from(body))).toEqual({ status: 400, body: "" });
  });

  test("connects and signs for one member every other second, and never twice at once", async () => {
    let connections = 0;
    let go = () => {};
    const slow = () =>
      new Promise<string>((resolve) => {
        connections += 1;
        go = () => resolve(record);
      });
    const witness = witnessWith({ fetchRecord: slow });
    const first = witness(attic.id, request());
    expect(await witness(attic.id, request())).toMatchObject({ status: 429 });
    go();
    expect(await first).toMatchObject({ status: 200 });
    const quick = witnessWith();
    const statuses: number[] = [];
    for (let count = 0; count < 20; count++) statuses.push((await quick(attic.id, request())).status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(6);
    now += 2_000;
    expect(await quick(attic.id, request())).toMatchObject({ status: 200 });
    expect(connections).toBe(1);
  });
});

describe("asking", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const members = ["a", "b", "c", "d"].map((id) => ({ id, key: "" }));

  test("takes what comes in time, and passes over members that know no witnesses, hang or send garbage", async () => {
    const answers: Record<string, () => Promise<Buffer>> = {
      a: async () => Buffer.from(JSON.stringify({ v: 1, statement: "x.y.z" })),
      b: () => Promise.reject(new Error("POST /v1/witness: 404")),
      c: () => new Promise(() => {}),
      d: async () => Buffer.from(`{"v":1,"statement":"${"x".repeat(3_000)}"}`),
    };
    const asked = askWitnesses({ nonce, members, ask: (id) => answers[id]!() });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await asked).toEqual(["x.y.z"]);
  });

  test("asks nobody if nobody is there", async () => {
    expect(await askWitnesses({ nonce, members: [], ask: () => Promise.reject(new Error("no")) })).toEqual([]);
  });
});
