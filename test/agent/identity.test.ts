import { mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { loadIdentity, type Self } from "../../agent/identity.ts";
import { readRecord } from "../../provisioning/trust/record.ts";
import { makeNeighborhood, type TestNeighborhood } from "../neighborhood.ts";

let folder: string;
let hood: TestNeighborhood;
let self: Self;
let provisionPath: string;

beforeAll(async () => {
  hood = await makeNeighborhood();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-identity-"));
  self = { board: "nuc", release: "1.0.0", bootId: "boot-1", stateFolder: folder };
  provisionPath = join(folder, "provision.json");
});
afterEach(() => rm(folder, { recursive: true }));

const provision = (bytes: Uint8Array) => writeFile(provisionPath, bytes);

describe("a device on its first boot", () => {
  test("makes its own keys and wipes the token's secret from the disk", async () => {
    const file = hood.provision({ name: "attic" });
    const secret = JSON.parse(file.toString()).tokenKey;
    await provision(file);
    const identity = (await loadIdentity(self, provisionPath))!;
    expect(identity.name).toBe("attic");
    expect((await readRecord(identity.jws)).id).toBe(identity.id);
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) expect(await readFile(join(entry.parentPath, entry.name), "utf8")).not.toContain(secret);
    }
  });

  test("makes them too where its state folder is a link, and wipes the secret behind it", async () => {
    await using link = await linkTo(folder);
    await provision(hood.provision({ name: "attic" }));
    const linked = { ...self, stateFolder: link.path };
    const first = (await loadIdentity(linked, join(link.path, "provision.json")))!;
    expect(await readdir(folder)).not.toContain("provision.json");
    const second = (await loadIdentity(linked, join(link.path, "provision.json")))!;
    expect([first.name, second.id]).toEqual(["attic", first.id]);
  });

  test("wipes the secret where a provision file that is a link leads", async () => {
    const file = hood.provision({ name: "attic" });
    const target = join(folder, "token-from-elsewhere");
    await writeFile(target, file);
    await symlink(target, provisionPath);
    const held = await open(target);
    try {
      expect((await loadIdentity(self, provisionPath))?.name).toBe("attic");
      expect(await readdir(folder)).not.toEqual(expect.arrayContaining([expect.stringMatching(/provision|token/)]));
      expect((await held.readFile()).every((byte) => byte === 0)).toBe(true);
    } finally {
      await held.close();
    }
  });

  test("has no identity without a provision file", async () => {
    expect(await loadIdentity(self, provisionPath)).toBeUndefined();
  });

  test.each([
    ["truncated", (file: Buffer) => file.subarray(0, 200), "provision.invalid"],
    ["oversized", (file: Buffer) => Buffer.concat([file, file]), "provision.tooLarge"],
    ["blank", () => Buffer.alloc(65536), "provision.invalid"],
    ["garbage", () => Buffer.from("\u0000hello"), "provision.invalid"],
  ])("refuses a provision file that is %s and makes nothing", async (_, spoil, code) => {
    await provision(spoil(hood.provision({ name: "attic" })));
    await expect(loadIdentity(self, provisionPath)).rejects.toMatchObject({ code });
    expect(await readdir(folder)).not.toContain("identity.json");
  });

  test("refuses a provision file for another board", async () => {
    await provision(hood.provision({ board: "rpi4" }));
    await expect(loadIdentity(self, provisionPath)).rejects.toMatchObject({ code: "provision.wrongBoard" });
  });

  test("refuses a token that another neighborhood's root signed", async () => {
    const other = await makeNeighborhood();
    const { token, tokenKey } = await other.token();
    await provision(hood.provision({ token, tokenKey }));
    await expect(loadIdentity(self, provisionPath)).rejects.toMatchObject({
      code: "provision.invalid",
      cause: { refusal: "tokenForged" },
    });
  });
});

describe("a device that has an identity", () => {
  test("keeps its identity after a restart, with a higher number, and ignores another provision file", async () => {
    await provision(hood.provision({ name: "attic" }));
    const first = (await loadIdentity(self, provisionPath))!;
    await provision(hood.provision({ name: "intruder" }));
    const second = (await loadIdentity({ ...self, bootId: "boot-2" }, provisionPath))!;
    expect([second.id, second.name, second.address]).toEqual([first.id, "attic", first.address]);
    expect(second.number).toBeGreaterThan(first.number);
    expect(await readdir(folder)).not.toContain("provision.json");
  });

  test("keeps it, and warns, where the provision file cannot be wiped", async () => {
    await provision(hood.provision({ name: "attic" }));
    const first = (await loadIdentity(self, provisionPath))!;
    const warnings: string[] = [];
    // A file is in the folder's place.
    const unwipeable = join(folder, "identity.json", "provision.json");
    const second = await loadIdentity(self, unwipeable, undefined, { warn: (line) => warnings.push(line) });
    expect(second?.id).toBe(first.id);
    expect(warnings).toEqual([expect.stringContaining(`could not wipe ${unwipeable}`)]);
  });

  test("does not mind that the provision file's folder is gone", async () => {
    await provision(hood.provision({ name: "attic" }));
    await loadIdentity(self, provisionPath);
    const warnings: string[] = [];
    const gone = join(folder, "gone", "provision.json");
    expect(await loadIdentity(self, gone, undefined, { warn: (line) => warnings.push(line) })).toBeDefined();
    expect(warnings).toEqual([]);
  });
});

async function linkTo(target: string) {
  const parent = await mkdtemp(join(tmpdir(), "hamlet-link-"));
  const path = join(parent, "agent");
  await symlink(target, path);
  return { path, [Symbol.asyncDispose]: () => rm(parent, { recursive: true }) };
}
