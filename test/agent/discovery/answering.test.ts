// Questions of the owner at a device's door, and what anybody else gets there.
import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeAsker } from "../../../agent/api/asker.ts";
import { agentClient } from "../../../agent/api/client.ts";
import { questionsPath } from "../../../agent/api/questions.ts";
import { orderSealed } from "../../../agent/api/sealed-orders.ts";
import { signAdoption } from "../../../provisioning/trust/adoption.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import type { Asker } from "../../../provisioning/trust/question.ts";
import { addRevocation, noRevocations, signRevocation } from "../../../provisioning/trust/revocation.ts";
import { generateBoxKey, sealTo } from "../../../provisioning/trust/sealed-box.ts";
import { systemClock } from "../../../system/clock.ts";
import { type LinkedDevice, makeOwnersFolder, type OwnersFolder, startLinkedDevice } from "../../linked-device.ts";

let elm: OwnersFolder;
beforeAll(async () => {
  elm = await makeOwnersFolder();
});
afterAll(() => elm.remove());

const clientOf = ({ port }: LinkedDevice) => agentClient({ who: "attic", where: () => ({ host: "127.0.0.1", port }) });
function askerOf(device: LinkedDevice, asker: Asker, seen: (body: unknown) => void = () => {}) {
  const { post: question } = clientOf(device);
  const { keys, revocations } = device.owner;
  return makeAsker({
    ...{
      who: "attic",
      deviceKey: device.identity.deviceKey,
      neighborhood: keys,
      revocations,
      asker,
      clock: systemClock,
    },
    async post(path, body) {
      const answer = await question(path, body);
      seen(body);
      seen(answer);
      return answer;
    },
  });
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
  const slow = makeAsker({
    ...{ who: "attic", deviceKey: device.identity.deviceKey, neighborhood: device.owner.keys },
    ...{ revocations: noRevocations, asker, clock: systemClock },
    async post(path, body) {
      if ("box" in body) device.wait(11_000);
      return await question(path, body);
    },
  });
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
  await orderSealed(device.identity.deviceKey, documents, async (path, body) => {
    wire.push(JSON.stringify(body));
    return await post(path, body);
  });
  expect(device.orders).toEqual(documents);
  expect(wire.length).toBeGreaterThan(1);
  expect(wire.join()).not.toContain(adoption.split(".")[1]);
  const toAnother = orderSealed(generateSigningKey().publicKey, [adoption], post);
  await expect(toAnother).rejects.toMatchObject({ code: "document.refused" });
});

test("another device's answer, or one that a stranger gives in its place, is no answer", async () => {
  await using device = await startLinkedDevice(elm);
  const asker = device.owner.operator;
  const common = {
    who: "attic",
    neighborhood: device.owner.keys,
    revocations: noRevocations,
    asker,
    clock: systemClock,
  };
  const posing = makeAsker({
    ...{ ...common, deviceKey: device.identity.deviceKey },
    post: async (_path, body) =>
      "replyKey" in body ? { nonce: "n".repeat(32) } : { box: await sealTo(generateBoxKey().publicKey, "fine") },
  });
  await expect(posing("status", {})).rejects.toMatchObject({ code: "device.noAnswer" });
  // It names the other in the question, and passes it on.
  const { post: question } = clientOf(device);
  const passedOn = makeAsker({ ...common, deviceKey: generateSigningKey().publicKey, post: question });
  await expect(passedOn("status", {})).rejects.toMatchObject({ code: "document.refused" });
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

test("a flood of questions from one source ends at its own limit, and no page may ask", async () => {
  await using device = await startLinkedDevice(elm);
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
  expect(codes.filter((code) => code === "given").length).toBeLessThanOrEqual(40);
  expect(codes).toContain("hello.busy");
  // Another source finds room.
  expect(await askFrom("127.0.0.2", device, { replyKey })).toBe(200);
  const url = `http://${device.address}${questionsPath}`;
  const answer = await fetch(url, { method: "POST", body: "{}", headers: { origin: "http://evil.example" } });
  expect(answer.status).toBe(403);
});
