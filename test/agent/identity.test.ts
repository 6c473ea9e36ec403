import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
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
  test("makes keys of its own, and the token's secret is gone from the disk", async () => {
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

  test("waits when there is no provision file", async () => {
    expect(await loadIdentity(self, provisionPath)).toBeUndefined();
  });

  test.each([
    ["cut off", (file: Buffer) => file.subarray(0, 200), "provision.invalid"],
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
    await expect(loadIdentity(self, provisionPath)).rejects.toMatchObject({ refusal: "tokenForged" });
  });
});

describe("a device that has an identity", () => {
  test("is the same after a restart, with a higher number, and reads no second provision file", async () => {
    await provision(hood.provision({ name: "attic" }));
    const first = (await loadIdentity(self, provisionPath))!;
    await provision(hood.provision({ name: "intruder" }));
    const second = (await loadIdentity({ ...self, bootId: "boot-2" }, provisionPath))!;
    expect([second.id, second.name, second.address]).toEqual([first.id, "attic", first.address]);
    expect(second.number).toBeGreaterThan(first.number);
    expect(await readdir(folder)).not.toContain("provision.json");
  });

  test("goes above a number of its own that others hold, after its state was lost", async () => {
    await provision(hood.provision({ name: "attic" }));
    const identity = (await loadIdentity(self, provisionPath))!;
    await identity.goAbove(41);
    expect((await readRecord(identity.jws)).number).toBe(42);
    await identity.goAbove(7);
    expect(identity.number).toBe(42);
  });

  test("keeps who let it in", async () => {
    await provision(hood.provision({ name: "attic" }));
    const identity = (await loadIdentity(self, provisionPath))!;
    const admission = await identity.admit(await readRecord(identity.jws), identity.token); // whose word it is the roster checks
    expect(await identity.addAdmission(admission)).toBe(true);
    expect(await identity.addAdmission(admission)).toBe(false);
    expect((await loadIdentity(self, provisionPath))!.admissions).toEqual([admission]);
  });

  test("a new name and an admission that come in the same moment both stand", async () => {
    await provision(hood.provision({ name: "attic" }));
    const identity = (await loadIdentity(self, provisionPath))!;
    const admission = await identity.admit(await readRecord(identity.jws), identity.token);
    await Promise.all([identity.rename("attic-2"), identity.addAdmission(admission), identity.setEndpoints([])]);
    expect(await readRecord(identity.jws)).toMatchObject({ name: "attic-2", admissions: [admission] });
  });

  test("a name that can not be kept is not taken", async () => {
    await provision(hood.provision({ name: "attic" }));
    const identity = (await loadIdentity(self, provisionPath))!;
    await rm(join(folder, "standing.json"));
    await mkdir(join(folder, "standing.json/in-the-way"), { recursive: true });
    await expect(identity.rename("pantry", { forGood: true })).rejects.toThrow();
    expect([identity.name, (await readRecord(identity.jws)).name]).toEqual(["attic", "attic"]);
    await identity.rename("attic-2"); // what must be goes on without a disk
    expect(identity.name).toBe("attic-2");
  });
});
