// The owner resets a device over the link: the agent hands the question on, and root believes the signature alone.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Identity } from "../../../agent/identity.ts";
import { encodeProvisionFile } from "../../../provisioning/file/provision-file.ts";
import { type Paths, pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { requestIfAsked } from "../../../provisioning/firstboot/reset.ts";
import { giveAskedReset, keepOwner } from "../../../provisioning/handover/asked-reset.ts";
import { isThere } from "../../../provisioning/handover/files.ts";
import { isResetRequested } from "../../../provisioning/handover/requests.ts";
import { type Question, type SignedQuestion, signQuestion } from "../../../provisioning/trust/question.ts";
import { generateBoxKey } from "../../../provisioning/trust/sealed-box.ts";
import type { Log } from "../../../system/log.ts";
import { silentLog } from "../../../system/log.ts";
import { bootDevice } from "../../neighborhood.ts";
import { makeOperator, makeStreet, makeTokenFile, monday } from "../../street.ts";

const [elm, oak] = [makeStreet(), makeStreet()];
const operator = await makeOperator(elm);
let root: string;
let paths: Paths;
let attic: Identity;
let warned: string[];
const log: Log = { ...silentLog, warn: (line: string) => void warned.push(line) };

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-asked-"));
  paths = pathsUnder(root);
  warned = [];
  await mkdir(paths.rootFolder, { recursive: true, mode: 0o700 });
  const file = { ...(await makeTokenFile(elm)), name: "attic" };
  attic = await bootDevice(paths.agentFolder, encodeProvisionFile(file));
  await keepOwner(paths.owner, file.neighborhood);
});
afterEach(() => rm(root, { recursive: true }));

const question = (change: Partial<Question> = {}): Question => ({
  ...{ v: 1, neighborhood: elm.keys.id, device: attic.id, nonce: "n".repeat(32), issuedAt: monday },
  ...{ replyKey: generateBoxKey().publicKey, kind: "reset", with: { id: attic.id }, ...change },
});
const agreed = async () => "agreed";
/** Whether root takes it. */
async function asks(signed: SignedQuestion): Promise<boolean> {
  await giveAskedReset(paths.askedReset, signed, agreed);
  await requestIfAsked(paths, log);
  expect(await isThere(paths.askedReset)).toBe(false);
  return await isResetRequested(paths.resetRequest);
}

test("an operator's and the root's question become a request of root's own", async () => {
  for (const asker of [operator, { key: elm.root }]) {
    expect(await asks(await signQuestion(question(), asker))).toBe(true);
    await rm(paths.resetRequest);
  }
  expect(warned).toEqual([]);
  await requestIfAsked(paths, log);
  expect(await isResetRequested(paths.resetRequest)).toBe(false);
});

test("root resets nothing for a question that the owner did not sign, to another device or of another kind", async () => {
  const cases: [because: string, SignedQuestion][] = [
    ["does not match the key", await signQuestion(question(), { key: oak.root })],
    ["does not match the key", await signQuestion(question(), { key: attic.key })],
    ["to another device", await signQuestion(question({ device: "a".repeat(26) }), operator)],
    ["another neighborhood", await signQuestion(question({ neighborhood: oak.keys.id }), operator)],
    ["resets nothing", await signQuestion(question({ kind: "status" }), operator)],
  ];
  for (const [because, signed] of cases) {
    expect(await asks(signed)).toBe(false);
    expect(warned.pop()).toContain(because);
  }
});

test("an agent that turns hostile can not put another owner in place of its own", async () => {
  const stolen = { ...(await makeTokenFile(oak)), name: "attic" };
  await rm(paths.agentFolder, { recursive: true });
  attic = await bootDevice(paths.agentFolder, encodeProvisionFile(stolen));
  const byOak = await signQuestion(question({ neighborhood: oak.keys.id }), await makeOperator(oak));
  expect(await asks(byOak)).toBe(false);
  await writeFile(paths.askedReset, "x".repeat(2 << 20));
  await requestIfAsked(paths, log);
  expect(await isResetRequested(paths.resetRequest)).toBe(false);
});

test("what the agent refuses never reaches root", async () => {
  const signed = await signQuestion(question(), operator);
  const refusing = giveAskedReset(paths.askedReset, signed, () => Promise.reject(new Error("an update is under way")));
  await expect(refusing).rejects.toThrow("under way");
  for (const path of [paths.askedReset, `${paths.askedReset}.asked`]) expect(await isThere(path)).toBe(false);
});
