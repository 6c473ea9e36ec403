// Power fails at every single write of an update, in every way that a write can be cut, and again at every write of the recovery. The
// device always starts a slot that verifies, and finishes what it was asked for.
import { beforeAll, describe, expect, test } from "vitest";
import type { Evidence } from "../../../provisioning/handover/update.ts";
import { outcomes } from "../../image/boot/power.ts";
import { healthy } from "./agent.ts";
import { attic, makeMember } from "./company.ts";
import { type Model, makeModel, type Outcome, randomFrom } from "./model.ts";
import { makeRepository, type Release, type Repository } from "./repository.ts";

let repository: Repository;
let releases: Release[];
beforeAll(() => {
  repository = makeRepository();
  const first = repository.makeRelease("1.0", { rootBytes: 8 * 4096 });
  releases = [first, repository.makeRelease("1.1", { from: first, rootBytes: 8 * 4096 })];
});

type EvidenceOf = (version: string, model: Model) => Evidence | undefined;
type Cut = { at: number; outcome: Outcome };

/** Each cut during the boots after the one before it. False once a cut did not happen. */
async function bootWith(cuts: readonly Cut[], model: Model): Promise<boolean> {
  for (const { at, outcome } of cuts) {
    model.power.restore();
    model.power.cutAt(at, outcome);
    let ended = (await model.boot()).ended;
    // Writes are counted over restarts that the update makes itself.
    while (ended === "restart") ended = (await model.boot()).ended;
    // A cut that did not happen must not come later.
    model.power.restore();
    if (ended === "quiet") return false;
  }
  return true;
}

/** Runs an update with power cuts: the first counts from the request, each other one from the restart. Whether all of them happened. */
async function updateWith(
  cuts: Cut[],
  evidenceOf: EvidenceOf,
  seed: number,
  prepare: (model: Model) => void = () => {},
) {
  const model = makeModel(releases, repository, randomFrom(seed));
  prepare(model);
  model.evidenceOf = (version) => evidenceOf(version, model);
  model.ask({ kind: "now" });
  const isCut = await bootWith(cuts, model);
  if (isCut) await model.settle();
  return { model, isCut };
}

async function isUpdated(model: Model): Promise<void> {
  // Power may have failed before the request was kept: then it is asked again.
  model.ask({ kind: "now" });
  expect(await model.settle()).toEqual({ slot: "b", version: "1.1" });
  expect(model.last).toMatchObject({ running: { version: "1.1" }, activity: { phase: "idle" }, failed: [] });
  expect(model.kept.get("armed.json")).toBeUndefined();
  expect(model.kept.get("wanted.json")).toBeUndefined();
  // A cut commit may leave a second name of the kernel that it blessed.
  expect([...model.files.keys()].filter((file) => !file.includes("+")).sort()).toEqual(
    expect.arrayContaining(["hamlet_1.1.efi"]),
  );
}

async function isBack(model: Model): Promise<void> {
  model.ask({ kind: "now" });
  expect(await model.settle()).toEqual({ slot: "a", version: "1.0" });
  expect(model.last).toMatchObject({ running: { version: "1.0" }, failed: ["1.1"] });
  expect(model.last!.fallback).toMatchObject({ to: "1.1", outcome: "failed" });
  expect(model.kept.get("armed.json")).toBeUndefined();
}

const good = () => healthy;
const bad = (version: string) => (version === "1.0" ? healthy : undefined);

test("the checks find an updater that arms a slot which is not on the disk yet", async () => {
  const found: unknown[] = [];
  for (let at = 0; at < 40; at++) {
    const model = makeModel(releases, repository, randomFrom(at));
    model.evidenceOf = good;
    model.isSyncing = false;
    model.ask({ kind: "now" });
    model.power.cutAt(at, "all");
    if ((await model.boot()).ended !== "cut") break;
    model.power.restore();
    await model.settle().catch((error: Error) => found.push(error.message));
  }
  expect(found).toContain("slot b starts and is not 1.1");
});

describe.each([
  ["a good release", good, isUpdated],
  ["a release whose agent is silent", bad, isBack],
])("%s", (_, evidenceOf, check) => {
  test("without a power cut", async () => {
    const { model } = await updateWith([], evidenceOf, 1);
    await check(model);
  });

  test("with one at every write", async () => {
    let at = 0;
    for (; ; at++) {
      const results = await Promise.all(
        outcomes.map((outcome, index) => updateWith([{ at, outcome }], evidenceOf, at * 3 + index)),
      );
      for (const { model } of results) await check(model);
      if (!results[0]!.isCut) break;
    }
    // Kernel, root, tree, first block, state, name, verdict.
    expect(at).toBeGreaterThan(20);
  });

  test("with one at every write, and another one at every write of the recovery", async () => {
    let runs = 0;
    for (let at = 0; ; at++) {
      for (let again = 0; ; again++) {
        // Each pair of outcomes comes up many times.
        const cuts = [
          { at, outcome: outcomes[(at + again) % 3]! },
          { at: again, outcome: outcomes[(at + 2 * again + 1) % 3]! },
        ];
        const { model, isCut } = await updateWith(cuts, evidenceOf, at * 1000 + again);
        runs += 1;
        await check(model);
        if (!isCut) break;
      }
      const { isCut } = await updateWith([{ at, outcome: "all" }], evidenceOf, at);
      if (!isCut) break;
    }
    expect(runs).toBeGreaterThan(300);
  });
});

test("a trial that meets nobody, with a power cut at every write, is repeated, or failed if power took its reason away", async () => {
  const company: Evidence = { ...healthy, handshakes: ["cellar"], alive: ["cellar"] };
  // The other member is away from the restart until the end of the first trial.
  const lonely: EvidenceOf = (_, { kept }) => (kept.has("armed.json") && !kept.has("history.json") ? healthy : company);
  const outcomesSeen = new Map<string, number>();
  let at = 0;
  for (let isCut = true; isCut; at++) {
    for (const outcome of outcomes) {
      const run = await updateWith([{ at, outcome }], lonely, at);
      isCut = run.isCut;
      run.model.ask({ kind: "now" });
      const { version } = await run.model.settle();
      const { history, failed } = run.model.last!;
      if (version === "1.1") expect(history[0]).toMatchObject({ outcome: "committed" });
      else {
        expect(failed).toEqual(["1.1"]);
        // Between the bad mark and its reason, or between a second trial's record and its entry, the mark is all that is left.
        expect(history[0]).toMatchObject({ outcome: "failed", check: "trial.ended" });
      }
      const seen = `${version} after ${history.at(-1)!.outcome}`;
      outcomesSeen.set(seen, (outcomesSeen.get(seen) ?? 0) + 1);
    }
  }
  expect(at).toBeGreaterThan(30);
  expect(outcomesSeen.get("1.1 after void")).toBeGreaterThan(60);
});

describe("a release that another member must confirm", () => {
  const cellar = makeMember();
  const members = [{ id: cellar.id, key: cellar.key }];
  const company: Evidence = { ...healthy, handshakes: [cellar.id], alive: [cellar.id] };

  test.each<[string, (version: string) => boolean, (model: Model) => Promise<void>]>([
    ["is kept", () => true, isUpdated],
    ["and that nobody hears goes back", (version) => version === "1.0", isUnheard],
  ])("%s, whenever power fails", async (_, isHeard, check) => {
    let at = 0;
    for (let isCut = true; isCut; at++) {
      const cut = { at, outcome: outcomes[at % 3]! };
      const run = await updateWith(
        [cut],
        () => company,
        at,
        (model) => {
          model.witness = async (request, bootId) => {
            const seen = isHeard(model.running) ? { gossip: bootId, connection: bootId } : {};
            const statement = request && cellar.saysAtOnce(request.nonce, { handshakeS: 0, ...seen });
            return statement === undefined ? {} : { self: attic, members, statements: [statement] };
          };
        },
      );
      isCut = run.isCut;
      await check(run.model);
    }
    expect(at).toBeGreaterThan(20);
  });

  /** Never kept: power takes a verdict away at most, and its repetition comes to the same. */
  async function isUnheard(model: Model): Promise<void> {
    model.ask({ kind: "now" });
    expect(await model.settle()).toEqual({ slot: "a", version: "1.0" });
    expect(model.last).toMatchObject({ running: { version: "1.0" }, failed: ["1.1"] });
    expect(["trial.noWitness", "trial.ended"]).toContain(model.last!.fallback!.check);
  }
});

describe("going back", () => {
  /** A device that went to 1.1 and is asked to go back, with power cuts. */
  async function goBackWith(cuts: Cut[], seed: number) {
    const { model } = await updateWith([], good, seed);
    await model.settle();
    model.ask({ kind: "back" });
    const isCut = await bootWith(cuts, model);
    if (isCut) await model.settle();
    return { model, isCut };
  }

  /** It is on 1.0 and says why, or on 1.1 and knows of nothing; asked again, it goes. */
  async function isBackAsAsked(model: Model): Promise<void> {
    const { version } = await model.settle();
    expect(model.last!.failed).toEqual(version === "1.0" ? ["1.1"] : []);
    expect(model.last!.history[0]).toMatchObject({ outcome: version === "1.0" ? "left" : "committed" });
    model.ask({ kind: "back" });
    expect(await model.settle()).toEqual({ slot: "a", version: "1.0" });
    expect(model.last).toMatchObject({ failed: ["1.1"], history: [{ from: "1.1", to: "1.0", outcome: "left" }, {}] });
    expect(model.kept.get("leaving.json")).toBeUndefined();
    model.ask({ kind: "now" });
    expect(await model.settle()).toEqual({ slot: "a", version: "1.0" });
    model.ask({ kind: "retry" });
    expect(await model.settle()).toEqual({ slot: "b", version: "1.1" });
  }

  test("with a power cut at every write, and another one at every write of the recovery", async () => {
    let runs = 0;
    for (let at = 0, isFirstCut = true; isFirstCut; at++) {
      for (const outcome of outcomes) {
        for (let again = 0, isCut = true; isCut; again++, runs++) {
          const cuts = [
            { at, outcome },
            { at: again, outcome: outcomes[(at + again) % 3]! },
          ];
          const result = await goBackWith(cuts, at * 1000 + again);
          isCut = result.isCut;
          await isBackAsAsked(result.model);
        }
        isFirstCut = (await goBackWith([{ at, outcome }], at)).isCut;
      }
    }
    // The wish, the intention, the kernel's name, the history.
    expect(runs).toBeGreaterThan(12);
  });
});

describe("a release that is prepared, and started later", () => {
  /** Prepared, then asked to start, with power cuts: the first counts from the request, each other one from the restart. */
  async function prepareAndStart(cuts: Cut[], isStarted: boolean, seed: number) {
    const model = makeModel(releases, repository, randomFrom(seed));
    model.evidenceOf = good;
    model.ask({ kind: "prepare" });
    if (isStarted) {
      await model.settle();
      expect(model.last).toMatchObject({ activity: { phase: "ready", version: "1.1" }, running: { version: "1.0" } });
      model.ask({ kind: "restart" });
    }
    return { model, isCut: await bootWith(cuts, model) };
  }

  async function isReady(model: Model): Promise<void> {
    expect(model.last).toMatchObject({ activity: { phase: "ready", version: "1.1" }, running: { version: "1.0" } });
    expect(model.verifies("b", "1.1")).toBe(true);
  }

  test("never starts by itself, whenever power fails, and is ready again without a byte from the network", async () => {
    let at = 0;
    for (let isCut = true; isCut; at++) {
      for (const outcome of outcomes) {
        const { model, ...run } = await prepareAndStart([{ at, outcome }], false, at);
        isCut = run.isCut;
        // Power may have failed before the request was kept.
        model.ask({ kind: "prepare" });
        expect(await model.settle()).toEqual({ slot: "a", version: "1.0" });
        await isReady(model);
        const fetched = model.fetched;
        await model.settle();
        await isReady(model);
        expect(model.fetched).toBe(fetched);
      }
    }
    expect(at).toBeGreaterThan(12);
  });

  test("is on trial, kept, or ready still, whenever power fails after the request to start", async () => {
    const seen = new Map<string, number>();
    for (let at = 0, isFirstCut = true; isFirstCut; at++) {
      for (let again = 0, isCut = true; isCut; again++) {
        const cuts = [
          { at, outcome: outcomes[at % 3]! },
          { at: again, outcome: outcomes[(at + again) % 3]! },
        ];
        const { model, ...run } = await prepareAndStart(cuts, true, at * 1000 + again);
        isCut = run.isCut;
        const { version } = await model.settle();
        seen.set(version, (seen.get(version) ?? 0) + 1);
        if (version === "1.0") {
          await isReady(model);
          model.ask({ kind: "restart" });
        }
        await isUpdated(model);
      }
      isFirstCut = (await prepareAndStart([{ at, outcome: "all" }], true, at)).isCut;
    }
    expect(seen.get("1.0") ?? 0).toBeGreaterThan(3);
    expect(seen.get("1.1")).toBeGreaterThan(3);
  });
});
