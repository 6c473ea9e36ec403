// A neighborhood of three whole devices that lets somebody in, puts somebody out, and meets the copy of a card. Each case throws if it
// ends otherwise, and returns how long its parts took.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeProvisionFile } from "../../provisioning/file/provision-file.ts";
import { eventually } from "../eventually.ts";
import { testImage } from "./image.ts";
import { bootLab, deviceOf, shell, type TestLab, well } from "./lab.ts";
import { hasMet, startPeer, tokenOf } from "./peer.ts";

const patient = { within: 600_000, every: 1_000 };
const three = ["attic", "cellar", "kitchen"] as const;

const bootThree = async () => bootLab({ images: [await testImage()], devices: three.length, from: "state" });

/** A device whose token asks for confirmation waits, with one code for all, until it is adopted. */
export async function proveAdoption(): Promise<string> {
  await using lab = await bootThree();
  await lab.add("porch", "confirm");
  const { code } = await waits(lab, "porch", three);
  const seconds = stopwatch();
  await well(lab, "adopt", "porch", "--code", code, "--yes");
  const adopted = seconds();
  await meet(lab, 4);
  return `hamlet adopt took ${adopted} s; all four have met after ${seconds()} s`;
}

/** A revoked device is nobody's peer, also after it lost its power, and nobody joins with a token that was closed with its device. */
export async function proveRevocation(): Promise<string> {
  await using lab = await bootThree();
  const provision = encodeProvisionFile({ ...(await tokenOf(lab)), name: "shed" });
  const start = () => startPeer(lab, (state) => writeFile(join(state, "provision.json"), provision));
  {
    await using shed = await start();
    await eventually(async () => assert.ok(await hasMet(lab, shed)), patient);
  }
  await well(lab, "revoke", "shed", "--yes");
  await using thief = await start();
  await eventually(async () => assert.equal((await thief.status()).phase, "pending"), patient);

  const seconds = stopwatch();
  const key = await keyOf(lab, "cellar");
  await well(lab, "revoke", "cellar", "--yes");
  const stay = three.filter((name) => name !== "cellar");
  const isOut = async () => {
    for (const name of stay) assert.ok(!(await shell(lab, name, "wg show hamlet0 peers")).includes(key), name);
  };
  await eventually(isOut, patient);
  const out = seconds();
  await lab.cut("cellar");
  await lab.restore("cellar");
  // Its agent answers, and nobody sees it alive.
  await lab.until((status) => deviceOf(status, "cellar").state === "apart");
  for (const name of stay) {
    const { warnings } = await lab.statusOf(name);
    assert.ok(!warnings.some(({ code }) => code === "member.dead"), `${name} still looks for one that is out`);
  }
  // As long as a device needs to be let in, and more.
  for (const end = seconds() + 60; seconds() < end; ) await isOut();
  assert.notEqual((await thief.status()).phase, "member");
  return `hamlet revoke began ${out} s before nobody had it as a peer any more`;
}

/** The copy of a card, in another machine, waits as a new device; the original stays who it is. */
export async function proveCopy(): Promise<string> {
  await using lab = await bootThree();
  const { id } = deviceOf(await lab.status(), "attic");
  const seconds = stopwatch();
  const copy = await lab.clone("attic");
  const { id: newId } = await waits(lab, copy, three);
  const took = seconds();
  assert.notEqual(newId, id);
  await meet(lab, 3, three);
  assert.equal((await lab.statusOf("attic")).self.id, id);
  const warned: string[] = [];
  for (const name of [...three, copy]) {
    const { warnings } = await lab.statusOf(name);
    if (warnings.some((warning) => warning.code === "identity.cloned")) warned.push(name);
  }
  assert.notEqual(warned.length, 0);
  return `${copy} waits after ${took} s; warned: ${warned.join(", ")}`;
}

/** All show it as waiting, with one code. */
async function waits(lab: TestLab, name: string, seenBy: readonly string[]) {
  return eventually(async () => {
    const own = await lab.statusOf(name);
    assert.equal(own.phase, "pending");
    const seen = await Promise.all(
      seenBy.map(async (member) => (await lab.statusOf(member)).pending.find((one) => one.id === own.self.id)),
    );
    for (const one of seen) assert.equal(one?.code, own.self.code);
    return own.self;
  }, patient);
}

/** Each of them has a handshake with each other. */
async function meet(lab: TestLab, count: number, names?: readonly string[]): Promise<void> {
  await lab.until(({ devices }) => {
    const met = devices.filter(({ name }) => names?.includes(name) ?? true);
    return met.every(({ state, handshakes }) => state === "alive" && handshakes >= count - 1);
  });
}

const keyOf = async (lab: TestLab, name: string) => (await shell(lab, name, "wg show hamlet0 public-key")).trim();

function stopwatch(): () => number {
  const startedAt = performance.now();
  return () => Math.round((performance.now() - startedAt) / 1_000);
}
