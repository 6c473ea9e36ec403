// Every attack on a repository that TUF names, against this repository and this wrapper: refused or recovered from, with a code.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RoleFloors, raiseFloors } from "../../../ota/updater/floors.ts";
import { type Answer, findNewest, type MetadataFiles } from "../../../ota/updater/metadata.ts";
import { HamletError } from "../../../system/error.ts";
import { board, makeRepository, makeSigner, type Repository, sha256 } from "./repository.ts";

let repository: Repository;
let workIn = "";
/** What the device keeps from check to check. */
let kept: MetadataFiles | undefined;
let floors: RoleFloors;
let asked: { path: string; maxBytes: number }[];
const today = Date.UTC(2027, 0, 1);

beforeEach(() => {
  workIn = mkdtempSync(join(tmpdir(), "hamlet-metadata-test-"));
  repository = makeRepository();
  repository.publish(repository.makeRelease("1.0"));
  [kept, floors, asked] = [undefined, {}, []];
});
afterEach(() => {
  // Nothing is left behind, whatever happened.
  expect(readdirSync(workIn)).toEqual([]);
  rmSync(workIn, { recursive: true });
});

type Files = ReadonlyMap<string, Buffer>;
const snapshot = (): Files => new Map(repository.files);

async function check({ files = repository.files as Files, nowMs = today } = {}): Promise<Answer> {
  asked = [];
  const door = {
    async file(path: string, maxBytes: number) {
      asked.push({ path, maxBytes });
      const found = files.get(path);
      if (!found) throw new HamletError("update.notThere", "no such file");
      if (found.length > maxBytes) throw new HamletError("update.agentSilent", "too long");
      return found;
    },
  };
  const firstRoot = repository.firstRoot;
  const found = await findNewest({ board, door, kept, firstRoot, floors, nowMs, workIn });
  [kept, floors] = [found.files, raiseFloors(floors, found.roles)];
  return found;
}
const version = async (how?: Parameters<typeof check>[0]) => (await check(how)).manifest.version;
const refused = (code: string) => expect.objectContaining({ code });

test("the newest release of the board is found, and a later one after it", async () => {
  expect(await version()).toBe("1.0");
  repository.publish(repository.makeRelease("1.1"));
  expect(await version()).toBe("1.1");
});

test("a check that finds nothing new asks for the next root and the timestamp, and for no more than it may hold", async () => {
  await check();
  await check();
  expect(asked.map(({ path }) => path)).toEqual(["metadata/2.root.json", "metadata/timestamp.json"]);
  expect(Math.max(...asked.map(({ maxBytes }) => maxBytes))).toBeLessThanOrEqual(64 << 10);
});

test("arbitrary software: metadata that nobody known has signed is refused", async () => {
  const stranger = makeSigner();
  repository.forge("metadata/timestamp.json", [stranger], () => {});
  await expect(check()).rejects.toEqual(refused("update.badMetadata"));
});

test.each(["timestamp", "snapshot", "targets", "board"] as const)(
  "wrong key: %s signed by another role's key is refused",
  async (role) => {
    const { versions, signers } = repository;
    const name = role === "board" ? board : role;
    const path = role === "timestamp" ? "metadata/timestamp.json" : `metadata/${versions[role]}.${name}.json`;
    repository.forge(path, role === "timestamp" ? signers.snapshot : signers.timestamp, () => {});
    await expect(check()).rejects.toEqual(refused("update.badMetadata"));
  },
);

test("rollback: an older state of the repository is refused, also by a device that lost its metadata", async () => {
  const older = snapshot();
  repository.publish(repository.makeRelease("1.1"));
  expect(await version()).toBe("1.1");
  await expect(check({ files: older })).rejects.toEqual(refused("update.badMetadata"));
  kept = undefined;
  await expect(check({ files: older })).rejects.toEqual(refused("update.badMetadata"));
  expect(await version()).toBe("1.1");
});

test("freeze: a repository that stands still is refused once it has expired", async () => {
  repository.expire("2027-03-01T00:00:00Z");
  repository.writeTimestamp();
  expect(await version()).toBe("1.0");
  const later = Date.UTC(2027, 2, 2);
  await expect(check({ nowMs: later })).rejects.toEqual(refused("update.expired"));
  repository.expire("2027-04-01T00:00:00Z");
  repository.writeTimestamp();
  expect(await version({ nowMs: later })).toBe("1.0");
});

test.each(["snapshot", "targets", "board", "root"] as const)("an expired %s is told as such", async (role) => {
  repository.expire("2027-01-02T00:00:00Z");
  if (role === "root") repository.writeRoot();
  if (role === "targets") repository.writeTargets();
  if (role === "board") repository.writeBoard();
  if (role === "snapshot") repository.writeSnapshot();
  repository.expire("2099-01-01T00:00:00Z");
  if (role === "snapshot") repository.writeTimestamp();
  else repository.writeSnapshot();
  await expect(check({ nowMs: Date.UTC(2027, 0, 3) })).rejects.toEqual(refused("update.expired"));
});

test("mix and match: files of two states of the repository are refused", async () => {
  const older = snapshot();
  repository.publish(repository.makeRelease("1.1"));
  const { versions } = repository;
  const mixed = new Map(repository.files);
  mixed.set(`metadata/${versions.board}.${board}.json`, older.get(`metadata/${versions.board - 1}.${board}.json`)!);
  await expect(check({ files: mixed })).rejects.toEqual(refused("update.badMetadata"));
  const other = new Map(repository.files);
  other.set(
    `metadata/${versions.snapshot}.snapshot.json`,
    older.get(`metadata/${versions.snapshot - 1}.snapshot.json`)!,
  );
  await expect(check({ files: other })).rejects.toEqual(refused("update.badMetadata"));
  expect(kept).toBeUndefined();
});

test("fast forward: versions that leave no room are overcome by new keys, and not by the old ones", async () => {
  const { signers } = repository;
  const before = { ...repository.versions };
  Object.assign(repository.versions, { snapshot: 2 ** 31, timestamp: 2 ** 31 });
  repository.writeSnapshot();
  expect(await version()).toBe("1.0");
  Object.assign(repository.versions, { snapshot: before.snapshot, timestamp: before.timestamp });
  repository.publish(repository.makeRelease("1.1"));
  await expect(check()).rejects.toEqual(refused("update.badMetadata"));
  signers.snapshot.splice(0, 1, makeSigner());
  signers.timestamp.splice(0, 1, makeSigner());
  repository.writeRoot();
  repository.writeSnapshot();
  expect(await version()).toBe("1.1");
});

describe.each(["targets", "snapshot", "timestamp", "board"] as const)("a stolen key of %s", (role) => {
  test("is worth nothing once it has been replaced", async () => {
    expect(await version()).toBe("1.0");
    const { signers } = repository;
    const stolen = signers[role].splice(0, 1, makeSigner());
    if (role === "board") repository.writeTargets();
    else repository.writeRoot();
    if (role === "targets") repository.writeTargets();
    repository.publish(repository.makeRelease("1.1"));
    expect(await version()).toBe("1.1");
    signers[role].splice(0, 1, ...stolen);
    if (role === "targets") repository.writeTargets();
    repository.publish(repository.makeRelease("6.6.6"));
    await expect(check()).rejects.toEqual(refused("update.badMetadata"));
  });
});

test("the root's own keys can be replaced, and one of three is not enough to do it", async () => {
  const { signers } = repository;
  const old = [...signers.root];
  signers.root.splice(0, 3, makeSigner(), makeSigner(), makeSigner());
  repository.writeRoot([old[0]!]);
  await expect(check()).rejects.toEqual(refused("update.badMetadata"));
  repository.versions.root -= 1;
  repository.writeRoot(old.slice(0, 2));
  expect(await version()).toBe("1.0");
});

test("a device that was away for a hundred roots comes along", async () => {
  for (let count = 0; count < 100; count++) repository.writeRoot();
  repository.publish(repository.makeRelease("1.1"));
  expect(await version()).toBe("1.1");
});

test("a device that was off while all keys were replaced twice follows both times, and no key from before counts", async () => {
  expect(await version()).toBe("1.0");
  const { signers } = repository;
  const before = { root: [...signers.root], timestamp: [...signers.timestamp] };
  for (let count = 0; count < 2; count++) {
    const old = signers.root.splice(0, 3, makeSigner(), makeSigner(), makeSigner());
    for (const role of ["targets", "snapshot", "timestamp", "board"] as const) signers[role].splice(0, 1, makeSigner());
    repository.writeRoot(old.slice(0, 2));
    repository.writeTargets();
    repository.publish(repository.makeRelease(`1.${count + 1}`));
  }
  expect(await version()).toBe("1.2");
  // Two of the first three are no authority any more.
  signers.root.splice(0, 3, makeSigner(), makeSigner(), makeSigner());
  signers.timestamp.splice(0, 1, ...before.timestamp);
  repository.writeRoot(before.root.slice(0, 2));
  repository.publish(repository.makeRelease("6.6.6"));
  await expect(check()).rejects.toEqual(refused("update.badMetadata"));
});

test("a root is not skipped", async () => {
  repository.writeRoot();
  const path = `metadata/${repository.versions.root}.root.json`;
  repository.forge(path, repository.signers.root.slice(0, 2), (signed) => Object.assign(signed, { version: 3 }));
  await expect(check()).rejects.toEqual(refused("update.badMetadata"));
});

test("a captive portal's page is no metadata, and no manifest", async () => {
  const page = Buffer.from("<html><body>Welcome to our hotel</body></html>");
  for (const path of repository.files.keys()) {
    if (path === "metadata/1.root.json") continue;
    const files = new Map(repository.files);
    files.set(path, page);
    if (path.includes("/1.") && !path.includes("newest")) files.set(path.replace("/1.", "/2."), page);
    await check({ files }).then(
      () => expect(path).toContain("targets/nuc"),
      (error) => expect(error.code, path).toMatch(/^update\.(badMetadata|badObject)$/),
    );
    kept = undefined;
    floors = {};
  }
});

test("kept metadata that is damaged at any place costs a longer check, and no update", async () => {
  await check();
  const whole = kept!;
  repository.publish(repository.makeRelease("1.1"));
  for (const name of Object.keys(whole)) {
    const text = whole[name]!;
    for (let length = 0; length < text.length; length += Math.ceil(text.length / 40)) {
      kept = { ...whole, [name]: text.slice(0, length) };
      expect(await version(), `${name} of ${length} characters`).toBe("1.1");
    }
    const { [name]: _, ...rest } = whole;
    kept = rest;
    expect(await version(), `without ${name}`).toBe("1.1");
  }
});

test("a release of the far future is refused: its date would make all later metadata look expired", async () => {
  repository.expire("2027-02-01T00:00:00Z");
  repository.publish(repository.makeRelease("1.1", { builtS: Date.UTC(2099, 0) / 1000 }));
  await expect(check()).rejects.toMatchObject({ code: "update.badManifest", message: expect.stringContaining("2099") });
  repository.publish(repository.makeRelease("1.2", { builtS: today / 1000 }));
  expect(await version()).toBe("1.2");
});

describe("what the library lets pass is refused:", () => {
  const forgedTargets = (change: (signed: Record<string, unknown>) => void) =>
    repository.forge(`metadata/${repository.versions.board}.${board}.json`, repository.signers.board, change);
  const forgedDelegation = (change: (delegations: Record<string, never>) => void) =>
    repository.forge(`metadata/${repository.versions.targets}.targets.json`, repository.signers.targets, (signed) =>
      change(signed["delegations"] as never),
    );
  const isRefused = async (why: string | RegExp) =>
    expect(check()).rejects.toMatchObject({ code: "update.badMetadata", message: expect.stringMatching(why) });

  test("one key under two ids, which would count as two signers", async () => {
    const { signers } = repository;
    const [first] = signers.root;
    repository.writeRoot();
    repository.forge("metadata/2.root.json", signers.root.slice(0, 2), (signed) => {
      const keys = signed["keys"] as Record<string, object>;
      keys["another"] = keys[first!.id]!;
    });
    await isRefused("two ids");
  });

  test("the same in another spelling", async () => {
    const { signers } = repository;
    const [first] = signers.root;
    repository.writeRoot();
    repository.forge("metadata/2.root.json", signers.root.slice(0, 2), (signed) => {
      const keys = signed["keys"] as Record<string, { keyval: { public: string } }>;
      keys["another"] = { ...keys[first!.id]!, keyval: { public: first!.pem } };
    });
    await isRefused("two ids");
  });

  test.each(["never", "2099", "Tue Mar 01 2039", ""])("expires: %j", async (expires) => {
    forgedTargets((signed) => Object.assign(signed, { expires }));
    await isRefused("expires");
  });

  test("a target without sha256", async () => {
    forgedTargets((signed) => {
      for (const target of Object.values(signed["targets"] as Record<string, object>))
        Object.assign(target, { hashes: {} });
    });
    await isRefused("sha256");
  });

  test.each(["../evil", "NUC", "a b", "nuc%2f", "", "root", "timestamp"])("a role called %j", async (name) => {
    forgedDelegation((delegations) => Object.assign(delegations["roles"]![0]!, { name }));
    await isRefused("name");
  });

  test("more values than any repository has: a schema that finds fault with each of them takes all of the heap", async () => {
    repository.publish(repository.makeRelease("1.1"));
    const path = `metadata/${repository.versions.board}.${board}.json`;
    const targets = Object.fromEntries(Array.from({ length: 40_000 }, (_, index) => [index.toString(36), {}]));
    repository.files.set(path, Buffer.from(JSON.stringify({ signed: { _type: "targets", targets }, signatures: [] })));
    await isRefused("more than 8192 values");
  });

  test("roles by hash bins", async () => {
    forgedDelegation((delegations) => Object.assign(delegations, { succinct_roles: {} }));
    await isRefused("succinct_roles");
  });

  test("a role that the snapshot does not name", async () => {
    const path = `metadata/${repository.versions.snapshot}.snapshot.json`;
    repository.forge(path, repository.signers.snapshot, (signed) => {
      delete (signed["meta"] as Record<string, object>)[`${board}.json`];
    });
    await isRefused("");
  });

  test.each([0, -1, 2 ** 60])("version %d", async (number) => {
    repository.forge("metadata/timestamp.json", repository.signers.timestamp, (signed) =>
      Object.assign(signed, { version: number }),
    );
    await isRefused("version");
  });
});

describe("the manifest", () => {
  const manifestPath = () => [...repository.files.keys()].find((path) => path.endsWith(".newest.json"))!;

  test("of another content than the metadata names is refused", async () => {
    const bytes = Buffer.from(repository.files.get(manifestPath())!);
    bytes[10]! ^= 1;
    repository.files.set(manifestPath(), bytes);
    await expect(check()).rejects.toEqual(refused("update.badObject"));
  });

  test("that is truncated is refused", async () => {
    repository.files.set(manifestPath(), repository.files.get(manifestPath())!.subarray(0, 100));
    await expect(check()).rejects.toEqual(refused("update.badObject"));
  });

  test("of another board is refused", async () => {
    repository.publish(repository.makeRelease("1.1", { board: "rpi4" }));
    await expect(check()).rejects.toEqual(refused("update.wrongBoard"));
  });

  test.each([
    ["not JSON", Buffer.from("{")],
    ["of an unknown format", Buffer.from('{"format": 2}')],
    ["too large", Buffer.alloc(65 << 10, " ")],
  ])("that is %s is refused, although it is signed", async (_, manifestBytes) => {
    repository.publish({ ...repository.makeRelease("1.1"), manifestBytes });
    expect(sha256(manifestBytes)).toHaveLength(64);
    await expect(check()).rejects.toEqual(refused("update.badManifest"));
  });
});

test("a repository without a release for the board says so", async () => {
  repository = makeRepository();
  repository.writeBoard();
  repository.writeSnapshot();
  await expect(check()).rejects.toEqual(refused("update.notThere"));
});

test("a failure of the line is told as such wherever it comes, and keeps nothing", async () => {
  const paths = [...repository.files.keys()].filter(
    (path) => path !== "metadata/1.root.json" && !path.endsWith("1.0.json"),
  );
  for (const broken of [...paths, "metadata/2.root.json"]) {
    const door = {
      async file(path: string) {
        if (path === broken) throw new HamletError("update.unreachable", "the line is gone");
        const found = repository.files.get(path);
        if (!found) throw new HamletError("update.notThere", "no such file");
        return found;
      },
    };
    const how = { board, door, kept, firstRoot: repository.firstRoot, floors, nowMs: today, workIn };
    await expect(findNewest(how), broken).rejects.toEqual(refused("update.unreachable"));
  }
});
