// Questions of the owner at a device's door, and what anybody else gets there.
import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AskedDevice } from "../../../agent/api/asked-device.ts";
import { makeAsker } from "../../../agent/api/asker.ts";
import { agentClient } from "../../../agent/api/client.ts";
import { ordersPath } from "../../../agent/api/orders.ts";
import { questionsPath } from "../../../agent/api/questions.ts";
import { orderSealed } from "../../../agent/api/sealed-orders.ts";
import { signAdoption } from "../../../provisioning/trust/adoption.ts";
import { signAnswer } from "../../../provisioning/trust/answer.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import type { Asker } from "../../../provisioning/trust/question.ts";
import { addRevocation, noRevocations, signRevocation } from "../../../provisioning/trust/revocation.ts";
import { generateBoxKey, sealTo } from "../../../provisioning/trust/sealed-box.ts";
import { boxKeyOfDevice } from "../../../provisioning/trust/wireguard-key.ts";
import { systemClock } from "../../../system/clock.ts";
import { type LinkedDevice, makeOwnersFolder, type OwnersFolder, startLinkedDevice } from "../../linked-device.ts";
import { makeStreet } from "../../street.ts";

let elm: OwnersFolder;
beforeAll(async () => {
  elm = await makeOwnersFolder();
});
afterAll(() => elm.remove());

const clientOf = ({ port }: LinkedDevice) => agentClient({ who: "attic", where: () => ({ host: "127.0.0.1", port }) });
const askedAt = (device: LinkedDevice, change: Partial<AskedDevice> = {}): AskedDevice => ({
  ...{ who: "attic", deviceKey: device.identity.deviceKey, neighborhood: device.owner.keys },
  ...{ revocations: noRevocations, clock: systemClock, post: clientOf(device).post, ...change },
});
function askerOf(device: LinkedDevice, asker: Asker, seen: (body: unknown) => void = () => {}) {
  const { post: question } = clientOf(device);
  const post: AskedDevice["post"] = async (path, body) => {
    const answer = await question(path, body);
    seen(body);
    seen(answer);
    return answer;
  };
  return makeAsker(askedAt(device, { post }), asker);
}

test("the owner learns the status; whoever listens learns neither names nor the neighborhood's id", async () => {
  await using device = await startLinkedDevice(elm);
  const wire: string[] = [];
  const ask = askerOf(device, device.owner.operator, (body) => wire.push(JSON.stringify(body)));
  expect(await ask("status", {})).toEqual(await device.source.status());
  expect(wire).toHaveLength(4);
  // A listener undoes base64 too.
  const decoded = wire.flatMap((text) => [
    text,
    ...text.split(/[^\w-]/).map((part) => `${Buffer.from(part, "base64url")}`),
  ]);
  for (const secret of ["attic", "cellar", "hamlet-question", device.identity.neighborhood.id]) {
    expect(decoded.join("\n")).not.toContain(secret);
  }
});

test("a question counts once, for ten seconds, and for the key that it was given for", async () => {
  await using device = await startLinkedDevice(elm);
  const bodies: object[] = [];
  const asker = device.owner.operator;
  await askerOf(device, asker, (body) => bodies.push(body as object))("status", {});
  const { post: question } = clientOf(device);
  const stale = { code: "document.refused", message: expect.stringContaining("nonce") };
  await expect(question(questionsPath, bodies[2]!)).rejects.toMatchObject(stale);
  const late: AskedDevice["post"] = async (path, body) => {
    if ("box" in body) device.wait(11_000);
    return await question(path, body);
  };
  const slow = makeAsker(askedAt(device, { post: late }), asker);
  await expect(slow("status", {})).rejects.toMatchObject(stale);
});

test("nobody but the owner is answered", async () => {
  await using device = await startLinkedDevice(elm);
  const { post: question, look } = clientOf(device);
  const operator = device.owner.operator;
  const refused = { code: "document.refused" };
  await expect(askerOf(device, { key: generateSigningKey() })("status", {})).rejects.toMatchObject(refused);
  const stolen = { key: generateSigningKey(), certificate: operator.certificate };
  await expect(askerOf(device, stolen)("status", {})).rejects.toMatchObject(refused);
  // Sealed to another device: this one cannot read it.
  const box = await sealTo(generateBoxKey().publicKey, {});
  await expect(question(questionsPath, { box })).rejects.toMatchObject(refused);
  for (const body of [{}, { box: "a.b" }, { replyKey: "x" }, { replyKey: generateBoxKey().publicKey, more: 1 }]) {
    await expect(question(questionsPath, body)).rejects.toMatchObject({ code: "hello.invalid" });
  }
  await expect(question(questionsPath, { box: "x".repeat(70_000) })).rejects.toMatchObject({ code: "hello.invalid" });
  expect(await look()).not.toHaveProperty("members");

  const revoked = await signRevocation(
    {
      ...{ v: 1, neighborhood: device.owner.keys.id, number: Date.now(), issuedAt: Date.now() },
      revoke: { kind: "operator", key: operator.key.publicKey },
    },
    device.owner.root,
  );
  await askerOf(device, operator)("status", {});
  device.revoke(await addRevocation(noRevocations, revoked, device.owner.keys));
  await expect(askerOf(device, operator)("status", {})).rejects.toMatchObject(refused);
  expect(await askerOf(device, { key: device.owner.root })("status", {})).toBeDefined();
});

test("orders sealed to the device arrive, however many, and name the neighborhood to nobody on the link", async () => {
  await using device = await startLinkedDevice(elm);
  const { post } = clientOf(device);
  const wire: string[] = [];
  const terms = { v: 1, neighborhood: device.owner.keys.id, issuedAt: 1, revocation: 0 } as const;
  const adoption = await signAdoption({ ...terms, deviceKey: generateSigningKey().publicKey }, device.owner.root);
  const documents = Array.from({ length: 150 }, () => adoption);
  const listened: AskedDevice["post"] = async (path, body) => {
    const answer = await post(path, body);
    wire.push(JSON.stringify(body), JSON.stringify(answer));
    return answer;
  };
  expect(await orderSealed(askedAt(device, { post: listened }), documents)).toHaveLength(150);
  expect(device.orders).toEqual(documents);
  // A nonce, then more than one box.
  expect(wire.length).toBeGreaterThan(4);
  expect(wire.join()).not.toContain(adoption.split(".")[1]);
  const forAnother = { box: await sealTo(generateBoxKey().publicKey, { documents: [adoption] }) };
  await expect(post(ordersPath, forAnother)).rejects.toMatchObject({ code: "document.refused" });
  const empty = { box: await sealTo(boxKeyOfDevice(device.identity.deviceKey), { documents: [adoption] }) };
  await expect(post(ordersPath, empty)).rejects.toMatchObject({ code: "document.refused" });
});

test("orders count as taken if the device itself has signed that, for this very box", async () => {
  await using device = await startLinkedDevice(elm);
  await using former = await startLinkedDevice(elm);
  const terms = { v: 1, neighborhood: device.owner.keys.id, issuedAt: 1, revocation: 0 } as const;
  const adoption = await signAdoption({ ...terms, deviceKey: generateSigningKey().publicKey }, device.owner.root);
  const { post } = clientOf(device);
  let replyKey = "";
  const answeredBy =
    (answer: (box: string) => Promise<object>): AskedDevice["post"] =>
    async (path, body) => {
      if ("replyKey" in body) replyKey = String(body.replyKey);
      return path === ordersPath && "box" in body ? await answer(String(body.box)) : await post(path, body);
    };
  const text = JSON.stringify({ taken: [{ kind: "adoption", outcome: "new" }] });
  const receipt = ({ identity: { jws, key } }: LinkedDevice, box: string) =>
    sealTo(replyKey, signAnswer(text, jws, box, key));
  const cases: [code: string, answer: (box: string) => Promise<object>][] = [
    ["device.noAnswer", async () => JSON.parse(text)],
    ["device.noAnswer", async () => ({ box: await sealTo(replyKey, JSON.parse(text)) })],
    ["document.refused", async (box) => ({ box: await receipt(former, box) })],
    ["document.refused", async () => ({ box: await receipt(device, "another box") })],
  ];
  for (const [code, answer] of cases) {
    const swallowed = orderSealed(askedAt(device, { post: answeredBy(answer) }), [adoption]);
    await expect(swallowed).rejects.toMatchObject({ code });
  }
  expect(device.orders).toEqual([]);
  const honest = answeredBy(async (box) => ({ box: await receipt(device, box) }));
  expect(await orderSealed(askedAt(device, { post: honest }), [adoption])).toHaveLength(1);
});

test("nothing is sealed to a key whose holder does not prove that it knows the neighborhood", async () => {
  await using device = await startLinkedDevice(elm);
  const { post: question } = clientOf(device);
  const mine = generateSigningKey().publicKey;
  const sent: object[] = [];
  const listening =
    (answer: AskedDevice["post"]): AskedDevice["post"] =>
    (path, body) => {
      sent.push(body);
      return answer(path, body);
    };
  const forged = async () => ({ nonce: "n".repeat(32), proof: "p".repeat(43) });
  const strangers: Partial<AskedDevice>[] = [
    { deviceKey: mine, post: listening(forged) },
    { deviceKey: mine, post: listening(async () => ({ nonce: "n".repeat(32) })) },
    // It passes on what the device itself gives.
    { deviceKey: mine, post: listening(question) },
    // Of another neighborhood.
    { neighborhood: makeStreet().keys, post: listening(question) },
  ];
  for (const stranger of strangers) {
    const asked = askedAt(device, stranger);
    const refused = { code: "device.noAnswer" };
    await expect(makeAsker(asked, device.owner.operator)("status", {})).rejects.toMatchObject(refused);
    await expect(orderSealed(asked, ["a.b.c"])).rejects.toMatchObject(refused);
  }
  expect(sent).toHaveLength(8);
  for (const body of sent) expect(Object.keys(body)).toEqual(["replyKey"]);
});

test("another device's answer, or one that a stranger gives in its place, is no answer", async () => {
  await using device = await startLinkedDevice(elm);
  const asker = device.owner.operator;
  const { post: question } = clientOf(device);
  const posing: AskedDevice["post"] = async (path, body) =>
    "replyKey" in body ? await question(path, body) : { box: await sealTo(generateBoxKey().publicKey, "fine") };
  const refused = { code: "device.noAnswer" };
  await expect(makeAsker(askedAt(device, { post: posing }), asker)("status", {})).rejects.toMatchObject(refused);
  // Sealed to the key that the question names, by another device of the neighborhood.
  await using cellar = await startLinkedDevice(elm);
  let replyKey = "";
  const inItsPlace: AskedDevice["post"] = async (path, body) => {
    if ("replyKey" in body) {
      replyKey = String(body.replyKey);
      return await question(path, body);
    }
    const { jws, key } = cellar.identity;
    return { box: await sealTo(replyKey, signAnswer(JSON.stringify({ answer: "fine" }), jws, "the question", key)) };
  };
  const byAnother = makeAsker(askedAt(device, { post: inItsPlace }), asker);
  await expect(byAnother("status", {})).rejects.toMatchObject({ code: "document.refused" });
});

test("an unknown kind, and what a kind does not take, are answers with a code", async () => {
  await using device = await startLinkedDevice(elm);
  const ask = askerOf(device, device.owner.operator) as (kind: string, taken: object) => Promise<unknown>;
  await expect(ask("dance", {})).rejects.toMatchObject({
    code: "api.refused",
    hint: expect.stringContaining("update"),
  });
  await expect(ask("status", { of: "cellar" })).rejects.toMatchObject({ code: "usage.invalid", exitCode: 2 });
});

const askFrom = (localAddress: string, { port }: LinkedDevice, body: object) =>
  new Promise<number | undefined>((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port, localAddress, method: "POST", path: questionsPath });
    asking.on("response", (response) => resolve(response.resume().statusCode)).on("error", reject);
    asking.end(JSON.stringify(body));
  });

/** No limit is refilled, however busy this computer is. */
const standing = { now: Date.now, monotonic: () => 0 };

test("a flood of questions from one source ends at its own limit, and no page may ask", async () => {
  await using device = await startLinkedDevice(elm, {}, standing);
  const { post: question } = clientOf(device);
  const { publicKey: replyKey } = generateBoxKey();
  const codes = await Promise.all(
    Array.from({ length: 60 }, () =>
      question(questionsPath, { replyKey }).then(
        () => "given",
        (error) => error.code,
      ),
    ),
  );
  expect(codes.filter((code) => code === "given")).toHaveLength(30);
  expect(codes.filter((code) => code === "hello.busy")).toHaveLength(30);
  // Another source finds room.
  expect(await askFrom("127.0.0.2", device, { replyKey })).toBe(200);
  const url = `http://${device.address}${questionsPath}`;
  const answer = await fetch(url, { method: "POST", body: "{}", headers: { origin: "http://evil.example" } });
  expect(answer.status).toBe(403);
});
