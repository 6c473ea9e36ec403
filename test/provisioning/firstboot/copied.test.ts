import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadIdentity } from "../../../agent/identity.ts";
import { encodeProvisionFile } from "../../../provisioning/file/provision-file.ts";
import { renewIfCopied } from "../../../provisioning/firstboot/copied.ts";
import { type Paths, pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { agentFilesIn } from "../../../provisioning/handover/agent-files.ts";
import { IdentityFile, yieldIdentity } from "../../../provisioning/handover/identity.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { unsealed } from "../../../system/kept.ts";
import { makeStreet, makeTokenFile } from "../../street.ts";

const provision = encodeProvisionFile(await makeTokenFile(makeStreet()));
let root: string;
let paths: Paths;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-copied-"));
  paths = pathsUnder(root);
  await put(paths.provision, provision);
  const self = { board: "nuc", release: "1", bootId: "boot", stateFolder: paths.agentFolder };
  await loadIdentity(self, paths.provision, "attic");
  for (const path of [paths.sshHostKey, `${paths.sshHostKey}.pub`, paths.authorizedKeys]) await put(path, "a key\n");
  await put(paths.machineId, "0123456789abcdef0123456789abcdef\n");
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(path, content);
}
const has = (path: string) =>
  readFile(path).then(
    () => true,
    () => false,
  );
const kept = async () => [
  await has(paths.sshHostKey),
  await has(`${paths.sshHostKey}.pub`),
  await has(paths.machineId),
];

test("a device that is no copy keeps its host key and machine-id at every boot", async () => {
  expect([await renewIfCopied(paths), await renewIfCopied(paths)]).toEqual([false, false]);
  expect(await kept()).toEqual([true, true, true]);
});

test("a device that has given its identity up gets another host key and machine-id, once, and keeps its owner's keys", async () => {
  await yieldIdentity(agentFilesIn(paths.agentFolder), () => undefined);
  expect(await renewIfCopied(paths)).toBe(true);
  expect(await kept()).toEqual([false, false, false]);
  expect(await has(paths.authorizedKeys)).toBe(true);
  // sshd and the initrd make new ones.
  await put(paths.sshHostKey, "another key\n");
  await put(paths.machineId, "fedcba9876543210fedcba9876543210\n");
  expect(await renewIfCopied(paths)).toBe(false);
  expect([await has(paths.sshHostKey), await has(paths.machineId)]).toEqual([true, true]);
});

test("the agent's user cannot make root renew them by a made-up origin", async () => {
  const file = IdentityFile.parse(unsealed(await readFile(paths.identity, "utf8")));
  const origin = { deviceKey: generateSigningKey().publicKey, member: file.member };
  await writeFile(paths.identity, JSON.stringify({ ...file, origin }));
  await rm(`${paths.identity}.copy`, { force: true });
  await expect(renewIfCopied(paths)).rejects.toThrow();
  expect(await kept()).toEqual([true, true, true]);
});
