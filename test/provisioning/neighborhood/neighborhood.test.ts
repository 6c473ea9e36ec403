import { access, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyProvision } from "../../../provisioning/file/provision.ts";
import { decodeProvisionFile, encodeProvisionFile } from "../../../provisioning/file/provision-file.ts";
import { issueToken, readTokenFile } from "../../../provisioning/neighborhood/issue-token.ts";
import {
  changeNeighborhood,
  initNeighborhood,
  openKey,
  openNeighborhood,
  readNeighborhood,
  recoverNeighborhood,
} from "../../../provisioning/neighborhood/neighborhood.ts";
import { addOperator } from "../../../provisioning/neighborhood/operators.ts";
import { revoke } from "../../../provisioning/neighborhood/orders.ts";
import { planProvision, reusableToken } from "../../../provisioning/neighborhood/provision-device.ts";
import { verifyOperator } from "../../../provisioning/trust/operator.ts";
import { noRevocations } from "../../../provisioning/trust/revocation.ts";
import { day, monday } from "../../street.ts";

let home: string;
let elm: string;
const passphrase = "correct horse battery";
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "hamlet-neighborhood-"));
  elm = join(home, "elm");
  await initNeighborhood(elm, { name: "Elm Street", passphrase, now: monday });
});
afterAll(() => rm(home, { recursive: true, force: true }));

test("a new neighborhood seals its keys, shows secrets only on the sheet, and lets only the owner read its files", async () => {
  expect((await readdir(elm)).sort()).toEqual([
    "neighborhood.json",
    "operator.key",
    "recovery.txt",
    "root.key",
    "successor.key",
  ]);
  expect((await stat(elm)).mode & 0o777).toBe(0o700);
  for (const secret of ["root.key", "successor.key", "operator.key", "recovery.txt"]) {
    expect((await stat(join(elm, secret))).mode & 0o777).toBe(0o600);
  }
  const { root, keys, file } = await openNeighborhood(elm, passphrase);
  expect(root.publicKey).toBe(keys.rootKey);
  expect((await openKey(elm, "successor", passphrase)).publicKey).toBe(keys.successorKey);
  const [owner] = file.operators;
  expect((await verifyOperator(owner!.certificate, keys, noRevocations)).key).toBe(
    (await openKey(elm, "operator", passphrase)).publicKey,
  );
});

test("a wrong passphrase or a changed key file does not open the neighborhood", async () => {
  await expect(openNeighborhood(elm, "correct horse")).rejects.toMatchObject({ code: "neighborhood.wrongPassphrase" });
  const copy = join(home, "copy");
  await mkdir(copy);
  for (const name of await readdir(elm)) await writeFile(join(copy, name), await readFile(join(elm, name)));
  const sealed = JSON.parse(await readFile(join(copy, "root.key"), "utf8"));
  // The seal covers the role, so the operator key cannot pass for the root.
  await writeFile(join(copy, "root.key"), JSON.stringify({ ...sealed, role: "operator" }));
  await expect(openNeighborhood(copy, passphrase)).rejects.toMatchObject({ code: "neighborhood.wrongPassphrase" });
  // Nor can a key file use up this computer's memory.
  await writeFile(join(copy, "root.key"), JSON.stringify({ ...sealed, kdf: { ...sealed.kdf, N: 2 ** 30 } }));
  await expect(openNeighborhood(copy, passphrase)).rejects.toMatchObject({ code: "file.invalid" });
  await writeFile(join(copy, "neighborhood.json"), "{");
  await expect(readNeighborhood(copy)).rejects.toMatchObject({ code: "file.invalid" });
  await expect(readNeighborhood(join(home, "nowhere"))).rejects.toMatchObject({ code: "neighborhood.notFound" });
});

test("init does not overwrite a neighborhood, an empty folder or a file", async () => {
  const before = await readFile(join(elm, "root.key"), "utf8");
  const [empty, file] = [join(home, "empty"), join(home, "file")];
  await mkdir(empty);
  await writeFile(file, "mine");
  for (const taken of [elm, empty, file]) {
    const again = initNeighborhood(taken, { name: "Oak", passphrase, now: monday });
    await expect(again).rejects.toMatchObject({ code: "neighborhood.exists", exitCode: 3 });
  }
  expect(await readFile(join(elm, "root.key"), "utf8")).toBe(before);
  expect(await readFile(file, "utf8")).toBe("mine");
});

test("a refused init leaves nothing behind", async () => {
  const folder = join(home, "short");
  await expect(initNeighborhood(folder, { name: "Oak", passphrase: "short", now: 0 })).rejects.toMatchObject({
    code: "neighborhood.noPassphrase",
  });
  await expect(initNeighborhood(folder, { name: "two\nlines", passphrase, now: 0 })).rejects.toMatchObject({
    code: "usage.invalid",
  });
  await expect(access(folder)).rejects.toThrow();
  expect((await readdir(home)).filter((name) => name.includes("partial"))).toEqual([]);
});

test("recovery from the sheet gives the same id with a new passphrase and operator key", async () => {
  const sheet = await readFile(join(elm, "recovery.txt"), "utf8");
  const folder = join(home, "recovered");
  const recovered = await recoverNeighborhood(folder, sheet, { passphrase: "another passphrase", now: monday });
  const before = await readNeighborhood(elm);
  expect(recovered.file).toMatchObject({ id: before.file.id, name: "Elm Street", rootKey: before.file.rootKey });
  expect(recovered.file.operators[0]!.key).not.toBe(before.file.operators[0]!.key);
  expect((await openNeighborhood(folder, "another passphrase")).root.publicKey).toBe(before.keys.rootKey);
  const bent = sheet.replace(/^( {2}R3 {2})(.)/m, (_, label, letter) => label + (letter === "a" ? "b" : "a"));
  await expect(recoverNeighborhood(join(home, "bent"), bent, { passphrase, now: 0 })).rejects.toMatchObject({
    code: "neighborhood.badRecoverySheet",
    message: "wrong on the sheet: R3",
  });
  await expect(access(join(home, "bent"))).rejects.toThrow();
});

test("an issued token is recorded without its secret and gives a provision file that verifies", async () => {
  const terms = { validMs: 7 * day, maxDevices: 1, tags: ["home"], adopt: "auto" as const, now: monday };
  const opened = await openNeighborhood(elm, passphrase);
  const { file, certificate } = await issueToken(opened, terms);
  expect(await readFile(join(elm, "tokens", `${certificate.id}.jws`), "utf8")).toBe(`${file.token}\n`);
  const path = join(home, "token.json");
  await writeFile(path, JSON.stringify(file));
  expect(await readTokenFile(path)).toEqual(file);
  await expect(readTokenFile(join(home, "none.json"))).rejects.toMatchObject({ code: "file.unreadable" });

  const plan = planProvision(file, { name: "attic", board: undefined, seeds: ["10.0.0.1:7780"] });
  expect(Object.keys(plan)).not.toContain("board");
  const { keys, token } = await verifyProvision(decodeProvisionFile(encodeProvisionFile(plan)));
  expect([keys.id, token.maxDevices]).toEqual([opened.keys.id, 1]);
  const other = await issueToken(opened, terms);
  await expect(verifyProvision({ ...plan, tokenKey: other.file.tokenKey })).rejects.toMatchObject({
    code: "provision.invalid",
  });

  // The same command reuses the token until half of its lifetime has passed or other terms are given.
  expect(await reusableToken(plan, opened, "attic", monday + 3 * day)).toEqual(file);
  expect(await reusableToken(plan, opened, "attic", monday + 4 * day)).toBeUndefined();
  expect(await reusableToken(plan, opened, "cellar", monday)).toBeUndefined();
  expect(
    await reusableToken(plan, { ...opened, revocations: { ...noRevocations, number: 1 } }, "attic", monday),
  ).toBeUndefined();
  expect(await reusableToken(undefined, opened, "attic", monday)).toBeUndefined();
});

test("what several commands sign at once is all kept in the folder, and later tokens carry it", async () => {
  const folder = join(home, "busy");
  await initNeighborhood(folder, { name: "Elm Street", passphrase, now: monday });
  // Each read the folder before the others wrote: one asks for a second passphrase in between.
  const opened = await openNeighborhood(folder, passphrase);
  const add = (name: string, to: string) =>
    addOperator(opened, { name, folder: join(home, to), passphrase, now: monday });
  const closed = (token: string) => revoke(opened, { kind: "token", token, stays: [] }, monday);
  await Promise.all([closed("a".repeat(16)), closed("b".repeat(16)), add("alice", "alice"), add("bob", "bob")]);
  const { file, revocations } = await readNeighborhood(folder);
  expect([...revocations.closures.keys()].sort()).toEqual(["a".repeat(16), "b".repeat(16)]);
  expect(new Set(revocations.documents.map(({ number }) => number)).size).toBe(2);
  expect(file.operators.map(({ name }) => name).sort()).toEqual(["alice", "bob", "owner"]);
  // Two of one name: one is refused, and leaves no folder.
  const twins = await Promise.allSettled([add("carol", "carol"), add("carol", "caroline")]);
  expect(twins.flatMap((one) => (one.status === "rejected" ? one.reason : []))).toMatchObject([
    { code: "operator.exists" },
  ]);
  expect((await readdir(home)).filter((name) => name.startsWith("carol"))).toHaveLength(1);
  expect(await readdir(folder)).not.toContain("lock");
  const terms = { validMs: day, maxDevices: 3, tags: [], adopt: "auto" as const, now: monday };
  const token = await issueToken(await openNeighborhood(folder, passphrase), terms);
  expect(token.file.revocations).toHaveLength(2);
});

test("while another computer writes to the folder nothing is written, and the hint names the lock", async () => {
  const folder = join(home, "shared");
  await initNeighborhood(folder, { name: "Elm Street", passphrase, now: monday });
  await writeFile(join(folder, "lock"), "other-computer/boot/pid:[1] 7 0123456789abcdef");
  const rename = changeNeighborhood(folder, async ({ file }) => ({ ...file, name: "Oak Street" }), 0);
  await expect(rename).rejects.toMatchObject({
    ...{ code: "neighborhood.busy", exitCode: 3, hint: expect.stringContaining(`rm ${join(folder, "lock")}`) },
  });
  expect((await readNeighborhood(folder)).file.name).toBe("Elm Street");
  expect(await readdir(folder)).toContain("lock");
});
