// A device that is given another release root than it began with: by a newer image, or by the provision file.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findNewest } from "../../../ota/updater/metadata.ts";
import type { UpdaterParts } from "../../../ota/updater/parts.ts";
import type { Knowledge } from "../../../ota/updater/report.ts";
import { makeSearch } from "../../../ota/updater/search.ts";
import { type State, stateIn } from "../../../ota/updater/state.ts";
import { HamletError } from "../../../system/error.ts";
import { board, makeRepository, makeSigner, type Repository } from "./repository.ts";

let folder = "";
let state: State;
let repository: Repository;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hamlet-root-"));
  state = stateIn(folder);
  repository = makeRepository();
  repository.publish(repository.makeRelease("1.0"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function newest(firstRoot: Buffer, files: ReadonlyMap<string, Buffer> = repository.files): Promise<string> {
  const door = {
    async file(path: string) {
      const found = files.get(path);
      if (found) return found;
      throw new HamletError("update.notThere", "no such file");
    },
  };
  const device = { board, version: "0.9", builtS: 1, isClockSet: async () => false, isDataLost: false };
  const parts = { door, state, device, firstRoot, findNewest, workIn: folder, clock: { now: () => 0 } };
  const search = makeSearch(
    parts as unknown as UpdaterParts,
    { history: { failed: [] }, verified: [] } as unknown as Knowledge,
  );
  return (await search("repository")).manifest.version;
}
const replaceRoots = () => {
  const old = repository.signers.root.splice(0, 3, makeSigner(), makeSigner(), makeSigner());
  return repository.writeRoot(old.slice(0, 2));
};

test("another publisher's root begins anew, whatever was known of the one before", async () => {
  for (let count = 0; count < 3; count++) repository.writeRoot();
  repository.publish(repository.makeRelease("1.1"));
  expect(await newest(repository.firstRoot)).toBe("1.1");
  const other = makeRepository();
  other.publish(other.makeRelease("0.9.5"));
  expect(await newest(other.firstRoot, other.files)).toBe("0.9.5");
  await expect(newest(other.firstRoot)).rejects.toMatchObject({ code: "update.badMetadata" });
});

test("a newer image's root that is older than the one the device knows revives no key that was replaced since", async () => {
  expect(await newest(repository.firstRoot)).toBe("1.0");
  const second = replaceRoots();
  const withStolenKeys = new Map(repository.files);
  for (const role of ["targets", "snapshot", "timestamp", "board"] as const)
    repository.signers[role].splice(0, 1, makeSigner());
  repository.writeRoot();
  repository.writeTargets();
  repository.publish(repository.makeRelease("1.1"));
  expect(await newest(repository.firstRoot)).toBe("1.1");
  await expect(newest(second, withStolenKeys)).rejects.toMatchObject({ code: "update.badMetadata" });
  expect(await newest(second)).toBe("1.1");
});

test("a newer image's root that is newer than the one the device knows is taken", async () => {
  expect(await newest(repository.firstRoot)).toBe("1.0");
  const second = replaceRoots();
  repository.publish(repository.makeRelease("1.1"));
  repository.files.delete("metadata/2.root.json");
  expect(await newest(second)).toBe("1.1");
});
