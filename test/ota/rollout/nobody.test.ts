// A rollout in which nobody takes part ends in a state of its own, with the reason of each device and a next step.
import { expect, test } from "vitest";
import { headline, nextSteps } from "../../../dashboard/rollout-words.ts";
import { nobodyFor } from "../../../ota/rollout/nobody.ts";
import { RolloutStatus } from "../../../ota/rollout/report.ts";
import type { Order } from "../../../ota/rollout/view.ts";
import { autoOff } from "../../../ota/rollout/view.ts";
import { after, before, hourMs, idsOf, orderOf, Stage } from "./stage.ts";

const ids = idsOf(3);
const [canary = "", second = "", third = ""] = ids;
const nameOf = (id: string) => id;

type Case = { order?: Partial<Order>; prepare?: (stage: Stage) => void };
function ended({ order = {}, prepare = () => {} }: Case) {
  const stage = new Stage(canary, ids);
  stage.happen({ kind: "clock", moment: { atMs: stage.now, wallMs: 5, minute: 0 } });
  prepare(stage);
  stage.order(order);
  stage.after(hourMs);
  return { stage, status: RolloutStatus.parse(stage.status()) };
}
const unfit = (check: string) => (stage: Stage) => {
  for (const id of ids) stage.says(id, "unfit", { check });
};

test.each<[string, Case, Pick<RolloutStatus, "nobody">["nobody"], string, string | undefined]>([
  [
    "all have it already",
    { prepare: (stage) => stage.change(Object.fromEntries(ids.map((id) => [id, { release: after }]))) },
    [{ why: "newer", count: 3 }],
    "3 have it or a newer one",
    undefined,
  ],
  [
    "a tag that one has, which has the release",
    { order: { tag: "roof" }, prepare: (stage) => stage.change({ [second]: { release: after, tags: ["roof"] } }) },
    [
      { why: "untagged", count: 2 },
      { why: "newer", count: 1 },
    ],
    "2 lack the tag, 1 has it or a newer one",
    "with another --tag or none",
  ],
  [
    "no board fits",
    { prepare: unfit("update.wrongBoard") },
    [{ why: "unfit", count: 3 }],
    "3 cannot take it",
    "hamlet explain update.wrongBoard",
  ],
  [
    "the failure of the only one that could take it is forgiven",
    {
      prepare: (stage) => {
        stage.change({ [second]: { release: after }, [third]: { release: after } });
        stage.order({ maxFailures: 1 });
        stage.says(canary, "failed", { check: "trial.meshDown" });
      },
      order: { number: 2 },
    },
    expect.arrayContaining([{ why: "failed", count: 1 }]),
    "1 has failed at it",
    "publish a release that fits",
  ],
])("%s: it has ended with nobody, says why and by how many, and what to do", (_, how, nobody, words, step) => {
  const { stage, status } = ended(how);
  expect(status).toMatchObject({ state: "nobody", nobody, total: 0, updated: 0 });
  expect(headline(status, nameOf, stage.now)).toContain("nobody here takes part: ");
  expect(headline(status, nameOf, stage.now)).toContain(words);
  expect(nextSteps(status, nameOf).join("; ")).toEqual(step === undefined ? "" : expect.stringContaining(step));
});

test("one in which all are held waits for the holds, says so, and how to end them", () => {
  const stage = new Stage(canary, ids);
  stage.happen({ kind: "clock", moment: { atMs: stage.now, wallMs: 5, minute: 0 } });
  const hold = { untilWallMs: 10 * hourMs, lastsMs: 10 * hourMs, reason: "film" };
  stage.order(
    {},
    {},
    ids.map((device) => ({ device, ...hold })),
  );
  stage.after(hourMs);
  const status = stage.status();
  expect(status).toMatchObject({ state: "running", wave: 0, nobody: [{ why: "held", count: 3 }] });
  expect(headline(status, nameOf, stage.now)).toContain("nobody here takes part: 3 are held back: held back: film");
  expect(nextSteps(status, nameOf).join()).toContain("to let it go on earlier: hamlet hold <device> --end");
});

test("one that no owner wants here says so, stays open for an operator, and how that one orders it all the same", () => {
  const { stage, status } = ended({
    order: { auto: { publisher: "5f", isRefused: true } },
    prepare: unfit(autoOff),
  });
  expect(status).toMatchObject({ state: "running", nobody: [{ why: "refused", count: 3 }] });
  expect(headline(status, nameOf, stage.now)).toContain("nobody here takes part: 3 take nothing by themselves");
  expect(nextSteps(status, nameOf)).toEqual(["to order it all the same: hamlet rollout start --release <version>"]);
});

test("whoever comes later takes part, and the state is over", () => {
  const { stage } = ended({ order: { tag: "roof" } });
  expect(stage.status().state).toBe("nobody");
  stage.change({ [second]: { tags: ["roof"] } });
  expect(stage.status()).toMatchObject({ state: "finished", total: 1 });
  expect(stage.status().nobody).toBeUndefined();
});

test("a rollout that somebody took part in has finished", () => {
  const stage = new Stage(canary, ids, { waves: [100], soakSeconds: 0 });
  for (const id of ids) stage.says(id, "updated");
  stage.after(hourMs);
  expect(stage.status()).toMatchObject({ state: "finished", updated: 3 });
  expect(stage.status().nobody).toBeUndefined();
});

test("before it is signed, it is told that nobody would take part, but not where a device does not tell its tags", () => {
  const order = orderOf({ tag: "roof" });
  expect(nobodyFor([{ release: after }, { release: before, tags: ["cellar"] }], order)).toEqual([
    { why: "newer", count: 1 },
    { why: "untagged", count: 1 },
  ]);
  expect(nobodyFor([{ release: before }], order)).toBeUndefined();
  expect(nobodyFor([{ release: before, tags: ["roof"] }], order)).toBeUndefined();
  expect(nobodyFor([{ release: before, tags: [] }], orderOf())).toBeUndefined();
});
