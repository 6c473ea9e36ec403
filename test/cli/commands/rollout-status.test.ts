// `hamlet rollout status`: what people read, and how it follows a rollout to its end.
import { expect, test } from "vitest";
import type { Status } from "../../../agent/api/schema.ts";
import { followRollout, rolloutText } from "../../../cli/commands/rollout/status.ts";
import type { RolloutStatus, WaitShape } from "../../../ota/rollout/report.ts";
import { HamletError } from "../../../system/error.ts";

const now = 1_000_000_000;
const members = [
  { id: "a", name: "attic" },
  { id: "b", name: "cellar" },
  { id: "c", name: "kitchen" },
] as Status["members"];
const running: RolloutStatus = {
  ...{ rollout: "r".repeat(22), number: 1, release: "1.4.0", operators: ["owner"], state: "running" },
  ...{ waves: ["canary", 100], wave: 0, updated: 1, failed: 0, total: 3, isWindowIgnored: false, later: [] },
  waits: { on: "soak", wave: 0, since: now - 10_000, until: now + 20_000 },
  members: [
    { id: "a", standing: "updated", wave: 0 },
    { id: "b", standing: "updating", wave: 1, until: now + 120_000 },
    {
      id: "c",
      standing: "waiting",
      wave: 1,
      waits: { on: "restart", device: "b", since: now - 5_000, until: now + 120_000 },
    },
  ],
};

test("it says how far the rollout is and on what each device waits, by name", () => {
  expect(rolloutText(running, members, now)).toEqual([
    "1.4.0 rolls out, wave 1 of 2 (canary); 1 of 3 devices updated: the wave has to be well for 20 s more (for 10 s)",
    "",
    "  DEVICE   WAVE    STATE",
    "  attic    canary  updated",
    "  cellar   100 %   restarts and is tried, 2 min at most",
    "  kitchen  100 %   waits for cellar, which restarts (for 5 s, 2 min at most)",
  ]);
});

test("one in which nobody takes part says why, by how many devices, and what to do", () => {
  const { waits: _, ...rest } = running;
  const nobody = [
    { why: "untagged" as const, count: 2 },
    { why: "newer" as const, count: 1 },
  ];
  expect(rolloutText({ ...rest, state: "nobody", nobody, total: 0, updated: 0, members: [] }, members, now)).toEqual([
    "1.4.0 has ended; nobody here takes part: 2 lack the tag, 1 has it or a newer one",
    "to reach others: hamlet rollout start --release <version>, with another --tag or none",
  ]);
});

const since = now - 60_000;
test.each<[WaitShape, string]>([
  [{ on: "operator", operators: ["owner"], since }, "paused by owner"],
  [
    { on: "operator", operators: ["ann", "bob"], because: "operatorsDisagree", since },
    "ann and bob ordered different things",
  ],
  [{ on: "operator", operators: ["ann"], because: "operatorRevoked", since }, "the key of ann was revoked"],
  [{ on: "failures", devices: ["a"], since }, "it failed on attic"],
  [{ on: "wave", wave: 0, devices: ["a"], since }, "waits for the wave before: attic"],
  [{ on: "hold", reason: "film", since, until: now + 3_600_000 }, "held back: film (for 1 min, 1 h 0 min at most)"],
  [{ on: "window", window: "02:00-05:00", since, until: now + 7_200_000 }, "waits for 02:00-05:00 UTC, in 2 h 0 min"],
  [
    { on: "window", window: "02:00-05:00", zone: "Asia/Kolkata", since, until: now + 7_200_000 },
    "waits for 02:00-05:00 (Asia/Kolkata), in 2 h 0 min",
  ],
  [{ on: "absence", device: "b", since, until: now + 60_000 }, "waits for cellar, which is away"],
  [{ on: "turn", device: "b", since }, "comes after cellar"],
  [{ on: "lease", because: "held", holder: "b", since }, "cellar has the lease"],
  [{ on: "lease", because: "noMajority", since }, "too few members answer"],
  [{ on: "lease", because: "settling", since }, "do not grant a lease yet"],
  [{ on: "lease", because: "noMajority", awaits: ["a", "b"], since }, "nothing is heard of attic, cellar"],
  [{ on: "lease", because: "settling", awaits: ["b"], since }, "before they hear of cellar, which may have one"],
  [{ on: "bytes", doneBytes: 1_000_000, totalBytes: 2_000_000, since }, "1.0 MB of 2.0 MB"],
  [{ on: "updater", code: "update.unreachable", since }, "update.unreachable"],
  [
    { on: "people", what: "session", since, until: now + 60_000 },
    "somebody is at work: an SSH session (for 1 min, 1 min at most)",
  ],
  [{ on: "people", what: "inhibitor", since }, "asked systemd not to restart"],
  [{ on: "news", since }, "listens first"],
])("%j is put into words", (waits, text) => {
  const status: RolloutStatus = { ...running, waits, members: [] };
  expect(rolloutText(status, members, now)[0]).toContain(text);
});

test("what to do about failures names the device that failed, and reaches the neighborhood that was asked", () => {
  const waits: WaitShape = { on: "failures", devices: ["a"], since };
  const told = { device: "cellar.local", neighborhood: "elm" };
  expect(rolloutText({ ...running, waits, members: [] }, members, now, told).at(-1)).toBe(
    "see why it failed: hamlet update history --neighborhood elm --device attic; " +
      "then hamlet rollout resume --device cellar.local --neighborhood elm, " +
      "or hamlet rollout abort --device cellar.local --neighborhood elm",
  );
});

test("whoever a lease depends on is named in the next step", () => {
  const waits: WaitShape = { on: "lease", because: "settling", awaits: ["b"], since };
  expect(rolloutText({ ...running, waits, members: [] }, members, now)).toContain(
    "bring cellar back, or give it up: hamlet forget cellar",
  );
});

test("a device without a time zone says so where there are hours, and what to do", () => {
  const hours = { window: "02:00-05:00" };
  const step = "to set one: hamlet provision <card> --neighborhood <folder> --timezone Europe/Berlin";
  expect(rolloutText({ ...running, hours }, members, now)[1]).toBe(
    `no time zone is set here, so 02:00-05:00 is UTC; ${step}`,
  );
  expect(rolloutText({ ...running, hours: { ...hours, zone: "Europe/Rome" } }, members, now)[1]).toBe("");
  const terms = { publisher: "5f".repeat(16), waves: [100], soakSeconds: 0, successPercent: 95, ...hours };
  const auto = { ...terms, hasZone: false };
  expect(rolloutText({ ...running, auto }, members, now)[1]).toContain("of its publisher does not count; to set one");
  expect(rolloutText({ ...running, hours, isWindowIgnored: true }, members, now)[1]).toContain("no time server");
});

type Answer = RolloutStatus | undefined | Error;

/** A device that gives these answers, the last one again and again. */
function teller(found: string, ...answers: Answer[]) {
  const status = async () => {
    const next = answers.length > 1 ? answers.shift() : answers[0];
    if (next instanceof Error) throw next;
    return { members, ...(next && { rollout: next }) } as Status;
  };
  return {
    found,
    status,
    isClosed: false,
    close: function () {
      this.isClosed = true;
    },
  };
}

function watch(first: ReturnType<typeof teller>, another?: () => Promise<ReturnType<typeof teller>>) {
  const printed: string[] = [];
  const notes: string[] = [];
  const context = { print: (...lines: string[]) => printed.push(...lines), note: (line: string) => notes.push(line) };
  const pace = { pollMs: 1, silentMs: 5_000 };
  return { done: followRollout(first, context, { isJson: true, another, pace }), printed, notes };
}
const follow = (...answers: Answer[]) => watch(teller("attic in the lab", ...answers));
const silence = new HamletError("device.noAnswer", "attic does not answer");

test("watching goes on while the device that is asked restarts, and ends with 0 once all have the release", async () => {
  const { done, printed, notes } = follow(running, running, silence, silence, undefined, {
    ...running,
    state: "finished",
  });
  expect(await done).toBe(0);
  expect(notes).toHaveLength(1);
  expect(printed.map((line) => JSON.parse(line).state)).toEqual(["running", "finished"]);
});

test("unless a device was named, watching goes on with another one while the first is away, and closes both", async () => {
  const attic = teller("attic in the lab", running, silence);
  const cellar = teller("cellar in the lab", {
    ...running,
    state: "paused",
    waits: { on: "failures", devices: ["a"], since },
  });
  let asked = 0;
  const another = async () => (asked++ < 2 ? Promise.reject(silence) : cellar);
  const { done, notes } = watch(attic, another);
  expect(await done).toBe(4);
  expect(notes).toEqual(["attic in the lab does not answer: it may be its own turn"]);
  expect([attic.isClosed, cellar.isClosed]).toEqual([true, true]);
});

test("watching ends with 4 when devices failed, with 1 when the rollout was aborted or nobody fits, and goes on while an operator pauses it", async () => {
  const failed: RolloutStatus = { ...running, state: "paused", waits: { on: "failures", devices: ["a"], since } };
  expect(await follow(running, failed).done).toBe(4);
  const nobody: RolloutStatus = { ...running, state: "nobody", nobody: [{ why: "unfit", count: 3 }] };
  expect(await follow(running, nobody).done).toBe(1);
  expect(await follow({ ...nobody, nobody: [{ why: "newer", count: 3 }] }).done).toBe(0);
  const paused: RolloutStatus = { ...running, state: "paused", waits: { on: "operator", operators: ["owner"], since } };
  expect(await follow(paused, { ...running, state: "aborted" }).done).toBe(1);
});

test("without a rollout there is nothing to watch", async () => {
  await expect(follow(undefined).done).rejects.toMatchObject({ code: "rollout.unknown" });
});

test("a rollout that nobody ordered names whose release it is, and who takes no part", () => {
  const auto = { publisher: "5f".repeat(16), waves: [100], soakSeconds: 0, successPercent: 95, hasZone: false };
  const members: RolloutStatus["members"] = [
    { id: "a", standing: "unfit", check: "update.autoOff" },
    { id: "b", standing: "silent" },
  ];
  const shown = rolloutText({ ...running, operators: [], auto, members }, [], since).join("\n");
  expect(shown).toMatch(/^\S+ \(auto, by the publisher of 5f5f5f5f\) rolls out/);
  expect(shown).toContain("takes no release by itself: its owner does not want it");
  expect(shown).toContain("passed over: it has said nothing");
});
