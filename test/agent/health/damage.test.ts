// State that a power cut or a worn card has damaged: whatever byte of whichever file it is, the device is who it was, and whom the root
// has put out stays out.
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import { type Identity, loadIdentity } from "../../../agent/identity.ts";
import { Membership } from "../../../agent/membership/membership.ts";
import { readDeviceState } from "../../../provisioning/firstboot/device-state.ts";
import { firstBoot } from "../../../provisioning/firstboot/firstboot.ts";
import { type Paths, pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { signRevocation } from "../../../provisioning/trust/revocation.ts";
import { copyOf, unsealed } from "../../../system/kept.ts";
import { silentLog } from "../../../system/log.ts";
import { bootDevice, makeNeighborhood, type TestNeighborhood } from "../../neighborhood.ts";

const clock = { now: Date.now, monotonic: Date.now };
let folder: string;
let paths: Paths;
let hood: TestNeighborhood;
let [attic, cellar, mallory]: Identity[] = [];
/** The state as it was, file by file. */
const whole = new Map<string, Buffer>();

const self = () => ({ board: "nuc", release: "1.0.0", bootId: "boot-2", stateFolder: paths.agentFolder });
const load = () => loadIdentity(self(), paths.provision);
async function membershipOf(identity: Identity) {
  const warnings = new Warnings(clock, silentLog);
  const options = { identity, stateFolder: paths.agentFolder, clock, log: silentLog, warnings };
  return { warnings, membership: await Membership.open(options) };
}
async function restore(): Promise<void> {
  await rm(paths.agentFolder, { recursive: true, force: true });
  await mkdir(paths.agentFolder, { recursive: true });
  for (const [name, bytes] of whole) await writeFile(join(paths.agentFolder, name), bytes);
}
/** Starts the device, and says who it is and whom it knows. */
async function start() {
  const identity = (await load())!;
  const { membership, warnings } = await membershipOf(identity);
  const evil = await membership.receive({ record: mallory!.jws });
  return {
    is: identity.id === attic!.id && identity.name === "porch",
    admissions: identity.admissions.length,
    members: [...membership.members().keys()],
    evil: "because" in evil ? evil.because : evil.kind,
    codes: warnings.list().map(({ code }) => code),
    warnings: warnings.list(),
  };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-damage-"));
  paths = pathsUnder(join(folder, "attic"));
  hood = await makeNeighborhood();
  attic = await bootDevice(paths.agentFolder, hood.provision({ name: "attic" }));
  cellar = await bootDevice(join(folder, "cellar"), hood.provision({ name: "cellar" }));
  mallory = await bootDevice(join(folder, "mallory"), hood.provision({ name: "mallory" }));
  const { membership } = await membershipOf(attic);
  await membership.receive({ record: cellar.jws, admissions: [await cellar.admit(attic, attic.token)] });
  await membership.receive({ record: mallory.jws });
  await membership.rename("porch");
  const device = { kind: "device" as const, device: mallory.id, token: mallory.token.id, stays: [attic.id, cellar.id] };
  const revocation = {
    v: 1 as const,
    neighborhood: attic.neighborhood.id,
    number: 1,
    issuedAt: Date.now(),
    revoke: device,
  };
  await membership.revoke([await signRevocation(revocation, hood.root)]);
  for (const name of await readdir(paths.agentFolder)) whole.set(name, await readFile(join(paths.agentFolder, name)));
});
beforeEach(restore);
afterAll(() => rm(folder, { recursive: true, force: true }));

const asItWas = () => ({ is: true, admissions: 1, members: [cellar!.id], evil: "deviceRevoked" });

describe("one damaged file", () => {
  test("s1-state: each state file has a copy, and revocations have a file of their own", () => {
    const kinds = ["identity.json", "revocations.json", "roster.json", "standing.json"];
    expect([...whole.keys()].sort()).toEqual(kinds.flatMap((name) => [name, copyOf(name)]));
  });

  test("s1-state: a file cut or changed at any byte loses nothing, is reported, and is kept aside", async () => {
    expect(await start()).toMatchObject({ ...asItWas(), codes: ["record.refused"] });
    const damage = fc.record({
      name: fc.constantFrom(...whole.keys()),
      at: fc.nat(1 << 20),
      bends: fc.array(fc.tuple(fc.nat(1 << 20), fc.integer({ min: 1, max: 255 })), { maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ name, at, bends }) => {
        await restore();
        const original = whole.get(name)!;
        const bytes = bends.length === 0 ? original.subarray(0, at % original.length) : Buffer.from(original);
        for (const [place, mask] of bends) bytes[place % bytes.length]! ^= mask;
        await writeFile(join(paths.agentFolder, name), bytes);
        const said = await start();
        expect(said).toMatchObject(asItWas());
        const isHarmless = JSON.stringify(unsealed(bytes.toString())) === JSON.stringify(unsealed(original.toString()));
        expect(said.codes.includes("state.damaged") || isHarmless).toBe(true);
        if (isHarmless) return;
        const aside = `${name.replace(/\.copy$/, "")}.damaged`;
        expect((await readFile(join(paths.agentFolder, aside))).equals(bytes)).toBe(true);
        // Mended: the next start finds it whole, and still tells of it.
        expect(await start()).toMatchObject({ ...asItWas(), codes: expect.arrayContaining(["state.damaged"]) });
        expect(await readdir(paths.agentFolder)).toEqual(expect.arrayContaining([...whole.keys()]));
      }),
      { numRuns: 60 },
    );
  });

  test("s1-state: a missing file, or a folder in its place, loses nothing either", async () => {
    for (const name of whole.keys()) {
      await restore();
      await rm(join(paths.agentFolder, name));
      expect(await start()).toMatchObject(asItWas());
      await rm(join(paths.agentFolder, name));
      await mkdir(join(paths.agentFolder, name, "in-the-way"), { recursive: true });
      expect(await start()).toMatchObject(asItWas());
    }
  });

  test("s1-state: the command in the warning's hint ends the warning", async () => {
    await writeFile(paths.standing, "{");
    const { hint } = (await start()).warnings.find(({ code }) => code === "state.damaged")!;
    const [, pattern] = /type on the device: rm -r (\S+)\* &&/.exec(hint)!;
    expect(pattern).toBe(`${paths.standing}.damaged`);
    await rm(pattern!, { recursive: true });
    expect((await start()).codes).not.toContain("state.damaged");
  });

  test("s1-state: files of an earlier release, without checksum or copy, are read and then get both", async () => {
    for (const [name, bytes] of whole) {
      if (name.endsWith(".copy") || name === "revocations.json") await rm(join(paths.agentFolder, name));
      else await writeFile(join(paths.agentFolder, name), JSON.stringify(unsealed(bytes.toString())));
    }
    expect(await start()).toMatchObject({ ...asItWas(), codes: ["record.refused"] });
    for (const name of ["identity.json", "standing.json", "roster.json"])
      await writeFile(join(paths.agentFolder, name), "");
    expect(await start()).toMatchObject(asItWas());
  });
});

describe("a file and its copy", () => {
  const spoil = async (name: string, keep = 0) => {
    for (const path of [join(paths.agentFolder, name), copyOf(join(paths.agentFolder, name))])
      await writeFile(path, whole.get(name)!.subarray(0, keep));
  };

  test.each(["roster.json", "revocations.json"])(
    "s1-state: %s: the revoked one stays out, by what the other file knows",
    async (name) => {
      await spoil(name);
      expect(await start()).toMatchObject({ is: true, admissions: 1, evil: "deviceRevoked" });
      expect((await start()).codes).toContain("state.damaged");
    },
  );

  test("s1-state: a truncated roster keeps the records before the cut", async () => {
    await spoil("roster.json", whole.get("roster.json")!.length - 400);
    expect(await start()).toMatchObject({ members: [cellar!.id], evil: "deviceRevoked" });
  });

  test("s1-state: without standing.json the device keeps its identity, takes its name from root, and reports what is lost", async () => {
    await spoil("standing.json");
    const identity = (await loadIdentity({ ...self(), lastName: "porch" }, paths.provision))!;
    expect([identity.id, identity.name]).toEqual([attic!.id, "porch"]);
    expect(identity.damages).toMatchObject([{ isLost: true }]);
  });

  test("s1-state: a damaged identity.json is not replaced, by the agent or by a card, until the owner agrees", async () => {
    await spoil("identity.json", 100);
    await writeFile(paths.provision, hood.provision({ name: "another" }));
    for (let starts = 0; starts < 2; starts++)
      await expect(load()).rejects.toMatchObject({
        code: "identity.invalid",
        hint: expect.stringContaining("hamlet reset"),
      });
    expect(await readDeviceState(paths)).toMatchObject({ phase: "unreadable" });
    expect((await readFile(`${paths.identity}.lost`)).length).toBe(100);
  });
});

describe("a card that fixes the Wi-Fi of a device whose state was damaged", () => {
  const put = async (path: string, content: string | Buffer) => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  };
  const mend = async () => {
    const network = { wifi: { ssid: "new", password: "new password" } };
    await put(paths.passwd, `hamlet:x:${process.getuid?.() || 990}:${process.getgid?.() || 990}::/:/bin/false\n`);
    await put(paths.kernelHostname, "porch");
    const fresh = await hood.token({ id: "00000000000000ee" });
    await put(paths.provisionFile, hood.provision({ ...fresh, name: "porch", network }));
    await firstBoot(paths, { run: async () => "", log: silentLog, now: Date.now() });
    return await readFile(paths.wpaSupplicant, "utf8");
  };
  const both = (path: string) => [path, copyOf(path)];

  test.each<[string, () => Promise<void>]>([
    ["standing.json", () => writeFile(paths.standing, "{")],
    [
      "standing.json and its copy",
      async () => {
        for (const path of both(paths.standing)) await writeFile(path, "{");
      },
    ],
    [
      "a standing.json that is gone",
      async () => {
        for (const path of both(paths.standing)) await rm(path);
      },
    ],
    ["identity.json", () => writeFile(paths.identity, "{")],
    [
      "the roster",
      async () => {
        for (const path of both(paths.roster)) await writeFile(path, "{");
      },
    ],
  ])(
    "p3-lost: %s: the Wi-Fi is new and the device is who it was, whether or not its agent has started meanwhile",
    async (_, damage) => {
      for (const isStarted of [true, false]) {
        await restore();
        await damage();
        if (isStarted) await load();
        expect(await mend()).toContain("new password");
        expect((await load())?.id).toBe(attic!.id);
      }
    },
  );

  test("p3-lost: an ignored token is reported, with the way to apply it", async () => {
    for (const path of both(paths.standing)) await writeFile(path, "{");
    await mend();
    expect(JSON.parse(await readFile(paths.problems, "utf8"))).toMatchObject({
      code: "provision.partly",
      message: expect.stringContaining("the token"),
      hint: expect.stringContaining("hamlet reset"),
    });
  });

  test("p3-lost: a damaged mark of a move does not hide the identity silently", async () => {
    await put(paths.moving, "{");
    await put(copyOf(paths.moving), "{");
    await rename(paths.agentFolder, paths.hiddenAgent);
    await mend();
    const report = JSON.parse(await readFile(paths.problems, "utf8"));
    expect(report).toMatchObject({ code: "install.unclear", hint: expect.stringContaining("mv ") });
    // What it says to type brings it back.
    const [, from, to] = /mv (\S+) (\S+) &&/.exec(report.hint)!;
    await rm(paths.agentFolder, { recursive: true });
    for (const path of both(paths.moving)) await rm(path);
    await rename(from!, to!);
    expect((await load())?.id).toBe(attic!.id);
  });

  test("p3-lost: Imager's earlier settings are read from their copy, or reported as lost without it", async () => {
    await rm(paths.agentFolder, { recursive: true });
    await put(join(paths.bootFolder, "user-data"), "hostname: pantry\n");
    await put(paths.provisionFile, "");
    const boot = () => firstBoot(paths, { run: async () => "", log: silentLog, now: Date.now() });
    await rm(paths.rootFolder, { recursive: true, force: true });
    await boot();
    await cp(paths.imager, join(folder, "imager"));
    await put(paths.imager, "{");
    await rm(paths.hostname);
    await boot();
    expect(await readFile(paths.hostname, "utf8")).toBe("pantry\n");
    await put(copyOf(paths.imager), "{");
    await boot();
    expect(JSON.parse(await readFile(paths.problems, "utf8"))).toMatchObject({
      code: "state.damaged",
      hint: expect.stringContaining("Imager"),
    });
  });
});
