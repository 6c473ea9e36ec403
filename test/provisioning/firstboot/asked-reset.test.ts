// The owner resets a device over the link: the agent passes on what the owner signed, and root believes its own nonce and the signature alone.
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeAskedReset } from "../../../agent/api/asked-reset.ts";
import { actionsOf, type Device } from "../../../agent/api/requests.ts";
import type { Identity } from "../../../agent/identity.ts";
import { encodeProvisionFile, type ProvisionFile } from "../../../provisioning/file/provision-file.ts";
import { answerAsked } from "../../../provisioning/firstboot/asked.ts";
import { learnOwner, pinOwnId, readOwner, setOwner } from "../../../provisioning/firstboot/owner.ts";
import { type Paths, pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { askRoot } from "../../../provisioning/handover/asked-reset.ts";
import { isThere } from "../../../provisioning/handover/files.ts";
import { yieldIdentity } from "../../../provisioning/handover/identity.ts";
import { isResetRequested } from "../../../provisioning/handover/requests.ts";
import { signSuccession } from "../../../provisioning/trust/neighborhood-keys.ts";
import { type Question, type SignedQuestion, signQuestion } from "../../../provisioning/trust/question.ts";
import { generateBoxKey } from "../../../provisioning/trust/sealed-box.ts";
import { type Log, silentLog } from "../../../system/log.ts";
import { bootDevice } from "../../neighborhood.ts";
import { makeOperator, makeStreet, makeTokenFile, monday } from "../../street.ts";

const [elm, oak] = [makeStreet(), makeStreet()];
const operator = await makeOperator(elm);
const minute = 60_000;
let root: string;
let paths: Paths;
let attic: Identity;
let card: ProvisionFile;
let warned: string[];
let uptimeMs: number;
const log: Log = { ...silentLog, warn: (line: string) => void warned.push(line) };

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-asked-"));
  paths = pathsUnder(root);
  [warned, uptimeMs] = [[], 5 * minute];
  await mkdir(paths.rootFolder, { recursive: true, mode: 0o700 });
  card = { ...(await makeTokenFile(elm)), name: "attic" };
  attic = await bootDevice(paths.agentFolder, encodeProvisionFile(card));
  await setOwner(paths, card.neighborhood);
});
afterEach(() => rm(root, { recursive: true }));

/** systemd starts root's program whenever the agent writes a wish: here for as long as `asking` takes. */
async function withRoot<T>(asking: Promise<T>): Promise<T> {
  let isOver = false;
  const ended = asking.finally(() => {
    isOver = true;
  });
  const answering = (async () => {
    while (!isOver) {
      if (await isThere(paths.reset.wish)) await answerAsked(paths, { log, uptimeMs, waitMs: 1_000 });
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  try {
    return await ended;
  } finally {
    await answering;
  }
}
const patience = { withinMs: 10_000, pauseMs: 2 };
const getNonce = async (): Promise<string> => (await withRoot(askRoot(paths.reset, undefined, patience)))!;
const handOn = (signed: SignedQuestion) => withRoot(askRoot(paths.reset, signed, patience));
const question = (nonce: string | undefined, change: Partial<Question> = {}): Question => ({
  ...{ v: 1, neighborhood: elm.keys.id, device: attic.id, nonce: "n".repeat(32), issuedAt: monday },
  ...{ replyKey: generateBoxKey().publicKey, kind: "reset", with: { id: attic.id, nonce }, ...change },
});
const isRequested = () => isResetRequested(paths.resetRequest);

test("an operator's and the root's question become a request of root's own, once for each nonce", async () => {
  for (const asker of [operator, { key: elm.root }]) {
    const signed = await signQuestion(question(await getNonce()), asker);
    await handOn(signed);
    expect(await isRequested()).toBe(true);
    await rm(paths.resetRequest);
    await expect(handOn(signed)).rejects.toMatchObject({ code: "reset.stale", exitCode: 3 });
    expect(await isRequested()).toBe(false);
  }
  expect(await isThere(paths.reset.wish)).toBe(false);
});

test("a question that was refused once, and kept, is worth nothing after ten minutes by the time since root's machine started", async () => {
  const kept = await signQuestion(question(await getNonce()), operator);
  uptimeMs += 10 * minute + 1;
  await expect(handOn(kept)).rejects.toMatchObject({ code: "reset.stale" });
  const inTime = await signQuestion(question(await getNonce()), operator);
  uptimeMs += 10 * minute;
  await handOn(inTime);
  expect(await isRequested()).toBe(true);
});

test("a question that was kept over a restart, or names a nonce of the agent's own, resets nothing", async () => {
  const kept = await signQuestion(question(await getNonce()), operator);
  // What is in /run is gone after a restart.
  await rm(dirname(paths.resetNonce), { recursive: true });
  for (const signed of [kept, await signQuestion(question(undefined), operator)]) {
    await expect(handOn(signed)).rejects.toMatchObject({ code: "reset.stale" });
  }
  await getNonce();
  await expect(handOn(kept)).rejects.toMatchObject({ code: "reset.stale" });
  expect(await isRequested()).toBe(false);
});

test("root resets nothing for a question that the owner did not sign, to another device or of another kind", async () => {
  const nonce = await getNonce();
  const cases: [because: string, SignedQuestion][] = [
    ["does not match the key", await signQuestion(question(nonce), { key: oak.root })],
    ["does not match the key", await signQuestion(question(nonce), { key: attic.key })],
    ["to another device", await signQuestion(question(nonce, { device: "a".repeat(26) }), operator)],
    ["another neighborhood", await signQuestion(question(nonce, { neighborhood: oak.keys.id }), operator)],
    ["resets nothing", await signQuestion(question(nonce, { kind: "status" }), operator)],
  ];
  for (const [because, signed] of cases) {
    await expect(handOn(signed)).rejects.toMatchObject({ code: "document.refused" });
    expect(warned.pop()).toContain(because);
    expect(await isRequested()).toBe(false);
  }
  // None of them has used the nonce up.
  await handOn(await signQuestion(question(nonce), operator));
  expect(await isRequested()).toBe(true);
});

test("an agent that turns hostile can not put another owner in place of its own", async () => {
  const stolen = { ...(await makeTokenFile(oak)), name: "attic" };
  await rm(paths.agentFolder, { recursive: true });
  attic = await bootDevice(paths.agentFolder, encodeProvisionFile(stolen));
  const byOak = question(await getNonce(), { neighborhood: oak.keys.id });
  await expect(handOn(await signQuestion(byOak, await makeOperator(oak)))).rejects.toMatchObject({
    code: "document.refused",
  });
  await writeFile(paths.reset.wish, "x".repeat(2 << 20));
  await expect(answerAsked(paths, { log, uptimeMs })).rejects.toMatchObject({ code: "handover.refused" });
  expect(await isRequested()).toBe(false);
});

test("an agent that shows another device's key after root has seen its own gets no reset meant for that device", async () => {
  expect(await pinOwnId(paths)).toBe(attic.id);
  await rm(paths.agentFolder, { recursive: true });
  const cellar = await bootDevice(paths.agentFolder, encodeProvisionFile({ ...(await makeTokenFile(elm)), name: "b" }));
  await expect(withRoot(askRoot(paths.reset, undefined, patience))).rejects.toMatchObject({ code: "identity.invalid" });
  const signed = await signQuestion(question("x", { device: cellar.id }), operator);
  await expect(handOn(signed)).rejects.toMatchObject({ code: "identity.invalid" });
  expect(await isRequested()).toBe(false);
  // A new owner's card brings a new identity.
  await setOwner(paths, card.neighborhood);
  expect(await pinOwnId(paths)).toBe(cellar.id);
});

test("a copy that has given its identity up for a new one is reset by its new id", async () => {
  expect(await pinOwnId(paths)).toBe(attic.id);
  await yieldIdentity(paths, () => undefined);
  const renewed = await pinOwnId(paths);
  expect(renewed).not.toBe(attic.id);
  await handOn(await signQuestion(question(await getNonce(), { device: renewed! }), operator));
  expect(await isRequested()).toBe(true);
});

test("a device whose root knows no owner says so and how to reset it, before anything is signed", async () => {
  await rm(paths.owner);
  await expect(withRoot(askRoot(paths.reset, undefined, patience))).rejects.toMatchObject({
    code: "reset.ownerUnknown",
    exitCode: 3,
    hint: expect.stringContaining("hamlet reset"),
  });
  await expect(handOn(await signQuestion(question("x"), operator))).rejects.toMatchObject({
    code: "reset.ownerUnknown",
  });
  // Its own card tells it.
  await learnOwner(paths, card.neighborhood);
  await handOn(await signQuestion(question(await getNonce()), operator));
  expect(await isRequested()).toBe(true);
});

test("a card tells of a change of root, and an older or another's card changes nothing", async () => {
  const { neighborhood } = card;
  const succession = await signSuccession(elm.keys, elm.successor, {
    ...{ successorKey: oak.keys.successorKey, revocations: [], stays: [], issuedAt: monday },
  });
  const newer = { ...neighborhood, successions: [succession] };
  const [byOther, rootNow] = [(await makeTokenFile(oak)).neighborhood, async () => (await readOwner(paths)).rootKey];
  await learnOwner(paths, byOther);
  expect(await rootNow()).toBe(elm.root.publicKey);
  await learnOwner(paths, newer);
  expect(await rootNow()).toBe(elm.successor.publicKey);
  await learnOwner(paths, neighborhood);
  expect(await rootNow()).toBe(elm.successor.publicKey);
});

test("the request is on disk before the agent hears of it, and root waits while the agent says goodbye", async () => {
  const signed = await signQuestion(question(await getNonce()), operator);
  const seen: boolean[] = [];
  const goodbye = async () => {
    seen.push(await isRequested(), await isThere(paths.reset.wish));
    throw new Error("nobody hears it");
  };
  await withRoot(askRoot(paths.reset, signed, patience, goodbye));
  expect(seen).toEqual([true, true]);
  expect((await stat(paths.reset.answer)).mode & 0o777).toBe(0o644);
  expect((await stat(paths.resetNonce).catch(() => undefined))?.mode).toBeUndefined();
});

test("the owner hears if the part that runs as root does not answer", async () => {
  const silent = askRoot(paths.reset, undefined, { withinMs: 30, pauseMs: 2 });
  await expect(silent).rejects.toMatchObject({ code: "reset.noRoot", hint: expect.stringContaining("hamlet-asked") });
  expect(await isThere(paths.reset.wish)).toBe(false);
});

test("the agent passes nothing on while an update writes, and says goodbye only for a reset that root takes", async () => {
  let [isWriting, left] = [true, 0];
  const device = {
    ...{ id: attic.id, isImage: true, stateFolder: paths.agentFolder },
    life: () => ({ leave: async () => void left++ }),
    updateActivity: () =>
      isWriting ? { phase: "writing", version: "0.2.0", doneBytes: 0, totalBytes: 1, fetchedBytes: 0 } : undefined,
  } as unknown as Device;
  const { reset, resetNonce } = makeAskedReset(device, paths.reset);
  const signed = await signQuestion(question("x"), operator);
  await expect(resetNonce({ id: attic.id }, signed)).rejects.toMatchObject({ code: "update.busy" });
  await expect(actionsOf(device)["/v1/reset"]({ id: attic.id })).rejects.toMatchObject({ code: "update.busy" });
  await expect(readFile(paths.reset.wish)).rejects.toMatchObject({ code: "ENOENT" });
  isWriting = false;
  await expect(withRoot(reset({ id: attic.id, nonce: "x" }, signed))).rejects.toMatchObject({ code: "reset.stale" });
  expect(left).toBe(0);
  const { nonce } = (await withRoot(resetNonce({ id: attic.id }, signed))) as { nonce: string };
  expect(await withRoot(reset({ id: attic.id, nonce }, await signQuestion(question(nonce), operator)))).toEqual({
    id: attic.id,
  });
  expect(left).toBe(1);
});
