// A device lends from its slots what the newest release has there, as soon as it knows the places.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import type { Lender } from "../../../agent/swarm/asking.ts";
import { startSwarm } from "../../../agent/update/swarm.ts";
import { recipeFor } from "../../../ota/format/manifest.ts";
import { decodeRecipe } from "../../../ota/format/recipe.ts";
import { unpackObject } from "../../../ota/format/unpack.ts";
import { systemClock } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { silentLog } from "../../../system/log.ts";
import { eventually } from "../../eventually.ts";
import { board, makeRepository } from "../../ota/updater/repository.ts";

const repository = makeRepository();
const release = repository.publish(repository.makeRelease("1.0", { rootBytes: 30 * 4096 }));
const { manifest } = release;
const whole = recipeFor(manifest, undefined);
const recipe = repository.objects.get(whole.sha256)!;
const path = `targets/${board}/${"a".repeat(64)}.newest.json`;
const chunks = decodeRecipe(recipe, manifest.parts).steps.map(({ sha256, length }) => ({ sha256, sizeBytes: length }));
const rootParts = manifest.parts.filter(({ name }) => name === "root");

let folder: string;
let asked: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hamlet-slots-"));
  writeFileSync(join(folder, "root-a"), release.root);
  asked = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const nobody = { others: (): Lender[] => [], borrower: { ask: () => Promise.reject(new Error()), close() {} } };

async function start({ mayFetch = true, own = board, clock = systemClock, around = nobody } = {}) {
  const one = await startSwarm({
    ...{ stateFolder: folder, clock, warnings: new Warnings(clock, silentLog), release: () => "", log: silentLog },
    ...{ slots: { paths: [join(folder, "root-b"), join(folder, "root-a")], board: own } },
    mayFetchForOthers: () => mayFetch,
    async web(wanted, _, accept) {
      if (wanted.kind !== "object" || wanted.sha256 !== whole.sha256) throw new HamletError("update.notThere", "no");
      asked.push(wanted.sha256);
      return accept(zstdCompressSync(recipe));
    },
  });
  one.swarm.join({ self: "attic", ...around });
  /** What it lends of a chunk, or why it lends nothing. */
  const borrow = (chunk: (typeof chunks)[number]) =>
    new Promise<Buffer | string>((resolve, reject) => {
      const reply = { bytes: async (bytes: Buffer) => resolve(Buffer.from(bytes)), none: resolve };
      const question = { how: "kept" as const, wanted: { kind: "object" as const, ...chunk } };
      one.lending("cellar", question, reply, new AbortController().signal).catch(reject);
    });
  return { ...one, borrow };
}
type Started = Awaited<ReturnType<typeof start>>;

async function expectAll({ borrow }: Started): Promise<void> {
  let count = 0;
  for (const chunk of chunks) {
    const lent = await borrow(chunk);
    // The kernel lies where the agent reads nothing.
    if (lent === "notKept") continue;
    expect(await unpackObject(lent as Buffer, chunk)).toHaveLength(chunk.sizeBytes);
    count += chunk.sizeBytes;
  }
  expect(count).toBe(rootParts[0]!.sizeBytes);
}

test("the first question brings the recipe, and then the whole root is lent from the slot, after a restart too", async () => {
  const first = await start();
  expect(await first.borrow(chunks[0]!)).toBe("notKept");
  expect(asked).toEqual([]);
  first.saw(path, Buffer.from(JSON.stringify(manifest)));
  await first.borrow(chunks[0]!);
  await eventually(() => expectAll(first));
  await expectAll(await start());
  expect(asked).toEqual([whole.sha256]);
});

test("a damaged copy of the recipe is fetched anew, and a manifest that cannot be read changes nothing", async () => {
  const first = await start();
  first.saw(path, Buffer.from(JSON.stringify(manifest)));
  await eventually(() => expectAll(first));
  writeFileSync(join(folder, "slot-recipe"), recipe.subarray(1));
  const again = await start();
  again.saw(path, Buffer.from("{"));
  await eventually(() => expectAll(again));
  expect(asked).toEqual([whole.sha256, whole.sha256]);
});

test("a recipe that takes long to come is not asked for again meanwhile", async () => {
  let laterMs = 0;
  let asks = 0;
  const comes = Promise.withResolvers<never>();
  const borrower = {
    ask() {
      asks += 1;
      return comes.promise;
    },
    close() {},
  };
  const others = () => [{ id: "cellar", name: "cellar", address: "::1" }];
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + laterMs };
  const first = await start({ clock, around: { others, borrower } });
  first.saw(path, Buffer.from(JSON.stringify(manifest)));
  for (; laterMs < 600_000; laterMs += 61_000) expect(await first.borrow(chunks[0]!)).toBe("notKept");
  expect(asks).toBe(1);
  comes.reject(new Error("it brought nothing"));
  await eventually(() => expectAll(first));
});

test("a line that is not for others fetches no recipe, and another board's release is none of this device's", async () => {
  const metered = await start({ mayFetch: false });
  metered.saw(path, Buffer.from(JSON.stringify(manifest)));
  for (let count = 0; count < 3; count++) expect(await metered.borrow(chunks[0]!)).toBe("notKept");
  rmSync(join(folder, "slot-recipe.json"));
  const other = await start({ own: "rpi4" });
  other.saw(path, Buffer.from(JSON.stringify(manifest)));
  for (let count = 0; count < 3; count++) expect(await other.borrow(chunks[0]!)).toBe("notKept");
  expect(asked).toEqual([]);
});
