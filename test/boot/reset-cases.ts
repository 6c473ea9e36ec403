// A whole device that its owner resets over the link, from a computer that is no member: refused while root does not know the owner, then
// carried out once, and the device takes the next card as a new one. Throws if it ends otherwise.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { labNeighborhoodIn } from "../../image/lab/supervisor/neighborhood.ts";
import { encodeProvisionFile } from "../../provisioning/file/provision-file.ts";
import { eventually } from "../eventually.ts";
import { testImage } from "./image.ts";
import { bootLab, deviceOf, runHamlet, shell } from "./lab.ts";
import { joinPeer, tokenOf } from "./peer.ts";

const patient = { within: 300_000, every: 1_000 };

/** Returns how long the parts took. */
export async function proveReset(): Promise<string> {
  await using lab = await bootLab({ images: [await testImage()], devices: 1, from: "state" });
  await using peer = await joinPeer(lab, "cellar");
  const { id, page } = deviceOf(await lab.status(), "attic");
  const { folder, passphrase } = labNeighborhoodIn(lab.folder);
  const env = { HAMLET_PASSPHRASE: await readFile(passphrase, "utf8") };
  const asOwner = (...argv: string[]) =>
    runHamlet([...argv, "--device", new URL(page).host, "--neighborhood", folder], env);

  // Provisioned by a release that kept no owner for root.
  const owner = "/var/lib/hamlet/root/neighborhood.json";
  await shell(lab, "attic", `mv ${owner} ${owner}.away`);
  const unknown = await asOwner("reset", "--yes");
  assert.equal(unknown.code, 3, unknown.stderr);
  assert.match(unknown.stderr, /reset\.ownerUnknown/);
  await shell(lab, "attic", `mv ${owner}.away ${owner}`);
  assert.equal((await lab.statusOf("attic")).phase, "member");

  const startedAt = performance.now();
  const seconds = () => Math.round((performance.now() - startedAt) / 1_000);
  const done = await asOwner("reset", "--yes");
  assert.equal(done.code, 0, done.stderr);
  assert.equal(done.stdout, "attic restarts without a neighborhood\n");
  const told = seconds();
  const isLeft = async () => (await peer.status()).members.find((member) => member.id === id)?.state;
  await eventually(async () => assert.equal(await isLeft(), "left"), patient);
  await eventually(async () => {
    const { phase, neighborhood, self } = await lab.statusOf("attic");
    assert.deepEqual([phase, neighborhood, self.id === id], ["unprovisioned", undefined, false]);
  }, patient);
  const left = await shell(lab, "attic", "cd /var/lib/hamlet && find root agent -type f");
  assert.deepEqual(left.trim().split("\n"), ["agent/board.json"]);
  const unprovisioned = seconds();

  const card = gzipSync(encodeProvisionFile({ ...(await tokenOf(lab)), name: "attic" })).toString("base64");
  await shell(lab, "attic", `echo ${card} | base64 -d | gzip -d >/efi/hamlet/provision.json && sync`);
  // Later, so that the answer of this command is not cut off by what it does.
  await shell(lab, "attic", "systemd-run --quiet --on-active=2s systemctl reboot");
  await eventually(async () => {
    const { phase, self, members } = await lab.statusOf("attic");
    assert.deepEqual([phase, self.name, self.id === id], ["member", "attic", false]);
    assert.ok(members.some(({ name, state }) => name === "cellar" && state === "alive"));
  }, patient);
  return `the owner was told after ${told} s; without identity after ${unprovisioned} s, a new member after ${seconds()} s`;
}
