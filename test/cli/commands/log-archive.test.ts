// A device's folder and its programs' output are full of canaries; none of them is in the log archive.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadIdentity } from "../../../agent/identity.ts";
import { makeLogArchive } from "../../../cli/commands/device/log-archive.ts";
import { journalOf } from "../../../cli/commands/device/logs.ts";
import { wpaSupplicantConf } from "../../../provisioning/file/network-files.ts";
import { encodeProvisionFile } from "../../../provisioning/file/provision-file.ts";
import { type Paths, pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { exportSigningKey, generateSigningKey, seedOf } from "../../../provisioning/trust/keys.ts";
import { wireguardPrivateKeyOf } from "../../../provisioning/trust/wireguard-key.ts";
import { HamletError } from "../../../system/error.ts";
import { makeNeighborhood } from "../../neighborhood.ts";
import { makeStreet, makeTokenFile, monday } from "../../street.ts";

let root: string;
let paths: Paths;
/** Every string that an archive must not contain. */
let canaries: string[];
let journal: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-logs-"));
  paths = pathsUnder(root);
  await plant();
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

async function plant(): Promise<void> {
  const hood = await makeNeighborhood();
  await put(paths.provision, hood.provision({ name: "attic" }));
  const stateFolder = dirname(paths.identity);
  const identity = (await loadIdentity({ board: "nuc", release: "0.1.0", bootId: "1", stateFolder }, paths.provision))!;
  // A second file waits on the card, with its own token and Wi-Fi.
  const waiting = await makeTokenFile(makeStreet());
  const wifi = { ssid: "home", password: 'canary "of" the house' };
  await put(paths.provisionFile, encodeProvisionFile({ ...waiting, network: { wifi } }));
  await put(paths.wpaSupplicant, wpaSupplicantConf({ wifi })!);
  await put(
    paths.agentConfig,
    JSON.stringify({ telemetry: { broker: "mqtts://me:canary%2Fbroker@50%off@broker.example" } }),
  );
  const sshKey = exportSigningKey(generateSigningKey());
  await put(join(paths.rootFolder, "ssh/ssh_host_ed25519_key"), sshKey);
  const preshared = wireguardPrivateKeyOf(generateSigningKey());
  const deviceSeed = seedOf(identity.key);
  const bytes = (key: string) => Buffer.from(key, "base64");
  const pem = exportSigningKey(identity.key);
  const keys = [deviceSeed, identity.wireguard.privateKey, waiting.tokenKey];
  const forms = keys.flatMap((key) => [
    key,
    bytes(key).toString("hex"),
    bytes(key).toString("base64"),
    bytes(key).toString("base64url"),
  ]);
  const lines = [pem, sshKey].flatMap((text) =>
    text.split("\n").filter((line) => line !== "" && !line.startsWith("-")),
  );
  canaries = [
    ...forms,
    ...lines,
    wifi.password,
    JSON.stringify(wifi.password).slice(1, -1),
    "canary/broker@50%off",
    "canary%2Fbroker@50%off",
    "canary%2Fbroker%4050%25off",
    preshared,
  ];
  const said = [...canaries, pem, JSON.stringify({ psk: wifi.password })].map(
    (canary) => `agent: unexpected: ${canary} there`,
  );
  journal = [...said, `PresharedKey = ${preshared}`, `  preshared key: ${preshared}`, `peer ${preshared}`].join("\n");
  // The preshared key is in no file; only programs print it, labeled as such.
  journal = journal.replace(`agent: unexpected: ${preshared} there\n`, "").replace(`\npeer ${preshared}`, "");
}

const archive = (status = async () => JSON.stringify({ warnings: [], journal })) =>
  makeLogArchive({ run: async ([file]) => `${file} says\n${journal}\n`, status, version: "0.1.0", now: monday, root });
const opened = async () => gunzipSync(await archive()).toString("latin1");

test("without redaction, every canary would be in the archive", () => {
  for (const canary of canaries) expect(journal).toContain(canary);
  expect(canaries.length).toBeGreaterThan(15);
});

test("the archive's bytes contain no secret", async () => {
  const bytes = await opened();
  for (const canary of canaries) expect(bytes.includes(canary), canary).toBe(false);
});

test("the archive has everything that a bug report needs, and says why if something is missing", async () => {
  const bytes = await opened();
  for (const name of ["status.json", "config.json", "journal.txt", "kernel.txt", "wg.txt", "nft.txt", "versions.txt"]) {
    expect(bytes).toContain(`hamlet-logs/${name}\0`);
  }
  expect(bytes).toContain("journalctl says");
  expect(bytes).toContain("broker.example");
  expect(bytes).toContain("missing: ENOENT");
});

test("a device with a dead agent still gives its logs", async () => {
  const dead = await archive(async () => {
    throw new HamletError("device.noAnswer", "the agent does not answer");
  });
  expect(gunzipSync(dead).toString("latin1")).toContain("missing: device.noAnswer");
});

test("without reading every secret there is no archive, because an unknown secret cannot be redacted", async () => {
  await rm(paths.wpaSupplicant);
  await mkdir(paths.wpaSupplicant);
  await expect(archive()).rejects.toMatchObject({ code: "file.unreadable", hint: expect.stringContaining("root") });
});

test("--since accepts Hamlet's durations and journalctl's own times, and never becomes an option", () => {
  expect(journalOf("2h", false)).toContain("--since=-7200s");
  expect(journalOf("yesterday", true)).toEqual(expect.arrayContaining(["--since=yesterday", "--follow"]));
  expect(journalOf("--file=/etc/shadow", false)).toContain("--since=--file=/etc/shadow");
});
