// A device that is a member to some and waits at others is named where it is a member too, and what one member says of it has its limits.
import { expect, test } from "vitest";
import type { Effect, Event, State } from "../../../agent/membership/state.ts";
import { step } from "../../../agent/membership/step.ts";
import type { Adoption } from "../../../provisioning/trust/adoption.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import { noRevocations } from "../../../provisioning/trust/revocation.ts";
import { attic, heard, kinds, member, play, record, token } from "./play.ts";

const minute = 60_000;
const says = (by: string, ...devices: string[]): Event => ({ kind: "disputed", by: `${by}-id`, devices });
const joined = (...names: string[]) => play(attic, ...names.map((name) => heard(member(record(name)))))[0];
const at = (state: State, event: Event, monotonicMs: number) => step(state, event, { wallMs: 5_000, monotonicMs });
const nothing: Event = { kind: "letIn" };
const told = (effects: Effect[]) => effects.flatMap((one) => (one.kind === "warn" ? [one.message] : []));
const over = (id: string): Effect => ({ kind: "clear", code: "token.disputed", subject: id });
/** What is warned of now, and until when, as the agent's warnings keep it. */
function keep(raised: Map<string, { message: string; until: number }>, effects: Effect[], now: number) {
  for (const effect of effects) {
    if (effect.kind === "warn")
      raised.set(effect.subject!, { message: effect.message, until: now + (effect.forMs ?? 0) });
    if (effect.kind === "clear" && effect.subject) raised.delete(effect.subject);
  }
  for (const [id, { until }] of raised) if (until < now) raised.delete(id);
}

test("a member that waits at others is named, with those at whom it waits", () => {
  const home = joined("porch", "cellar", "shed", "barn", "hall");
  const [one, effects] = play(home, says("cellar", "porch-id", "nobody-id"));
  expect(effects).toEqual([
    {
      kind: "warn",
      code: "token.disputed",
      message: "porch (porch-id) is a member here and waits at cellar: too many devices joined with token t",
      hint: "adopt the device if it is yours; if not, revoke the token and keep your own devices",
      subject: "porch-id",
      forMs: 10 * minute,
    },
  ]);
  const [, more] = play(one, says("shed", "porch-id"), says("barn", "porch-id"), says("hall", "porch-id"));
  expect(told(more)).toEqual([expect.stringContaining("waits at barn, cellar, hall and others: ")]);
});

test("it ends when the device waits nowhere any more, is adopted, or is no member", () => {
  const { publicKey: deviceKey } = generateSigningKey();
  const porch = deviceIdOf(deviceKey);
  const home = play(joined("cellar"), heard(member(record("porch", { id: porch, deviceKey }))))[0];
  const named = play(home, says("cellar", porch))[0];
  expect(play(named, says("cellar"))[1]).toEqual([over(porch)]);

  const adoption = { deviceKey, issuedAt: 1, revocation: 0 } as Adoption;
  const [adopted, effects] = play(named, { kind: "adoptions", adopted: [{ adoption, jws: "word" }] });
  expect(effects).toContainEqual(over(porch));
  expect(told(play(adopted, says("cellar", porch))[1])).toEqual([]);

  const revocations = { ...noRevocations, number: 1 };
  for (const gone of [porch, "cellar-id"]) {
    const out: Event = { kind: "revocations", revocations, out: new Map([[gone, "deviceRevoked"]]), forged: [] };
    expect(play(named, out)[1]).toContainEqual(over(porch));
  }
});

test("a word that is not said again ends after ten minutes, also among others", () => {
  const raised = new Map<string, { message: string; until: number }>();
  let state = joined("porch", "cellar", "shed");
  for (let now = 0; now <= 40 * minute; now += 2 * minute) {
    const spoken = [
      ...(now <= 20 * minute ? [says("cellar", "porch-id")] : []),
      ...(now === 0 ? [says("shed", "porch-id")] : []),
    ];
    for (const event of [...spoken, nothing]) {
      const [next, effects] = at(state, event, now);
      state = next;
      keep(raised, effects, now);
    }
    const expected = now <= 10 * minute ? "cellar, shed" : now <= 30 * minute ? "cellar" : undefined;
    expect(raised.get("porch-id")?.message.match(/waits at (.*): /)?.[1], `${now / minute} min`).toBe(expected);
  }
  expect([...at(state, says("cellar"), 41 * minute)[0].disputes]).toEqual([]);
});

test("a hostile member that says it of everybody hides nothing that others say, and says little", () => {
  const names = Array.from({ length: 40 }, (_, n) => `n${n}`);
  let state = joined(...names, "mallory", "cellar", "porch", "kitchen");
  const raised = new Map<string, { message: string; until: number }>();
  const hear = (event: Event) => {
    const [next, effects] = play(state, event);
    state = next;
    keep(raised, effects, 0);
  };
  for (let turn = 0; turn < 3; turn++) {
    // Not more by saying it twice in one list, nor more than sixteen.
    const some = names.slice(turn * 10, turn * 10 + 20).map((name) => `${name}-id`);
    hear(says("mallory", ...some.flatMap((id) => [id, id]), "mallory-id", "attic-id"));
    expect(raised.size).toBeLessThanOrEqual(16);
  }
  hear(says("cellar", "porch-id", "kitchen-id"));
  expect([...raised.values()].map(({ message }) => message)).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^porch .* waits at cellar:/),
      expect.stringMatching(/^kitchen .* cellar:/),
    ]),
  );
  expect(raised.size).toBeLessThanOrEqual(16);
  // Where two say it, it goes first.
  hear(says("n30", "n39-id"));
  hear(says("n31", "n39-id"));
  expect(raised.get("n39-id")?.message).toContain("n30, n31");
  hear(says("mallory"));
  expect([...raised.keys()].sort()).toEqual(["kitchen-id", "n39-id", "porch-id"]);
  hear(says("stranger", "porch-id"));
  expect(raised.get("porch-id")?.message).not.toContain("stranger");
});

const waits = (name: string, vouchers: string[] = []): Event => ({
  ...(heard({ kind: "pending", record: record(name), token, because: "overMaximum", vouchers }) as Event & {
    kind: "record";
  }),
});
const passedOn = ({ from: _, ...event }: Event & { kind: "record" }): Event => event;

test("where it waits, it is named if a member vouches for it or passes its record on, and until it is in", () => {
  const home = joined("cellar");
  expect(kinds(play(home, waits("porch"))[1])).toEqual([]);
  expect(told(play(home, waits("porch", ["cellar-id"]))[1])).toEqual([
    expect.stringContaining("is a member to cellar and waits here"),
  ]);
  const [named, effects] = play(home, passedOn(waits("porch") as Event & { kind: "record" }));
  expect(told(effects)).toEqual([expect.stringContaining("is a member to another member and waits here")]);
  expect(play(named, heard(member(record("porch"))))[1]).toContainEqual(over("porch-id"));
});

test("whoever finds no place among those that wait causes no warning", () => {
  const deviceKey = (n: number) => Buffer.from(`${n}`.padEnd(32)).toString("base64url");
  const crowd = Array.from({ length: 60 }, (_, n): Event => {
    const { judgement, ...event } = waits(`n${n}`, ["cellar-id"]) as Event & { kind: "record" };
    return {
      ...event,
      judgement: { ...judgement, record: record(`n${n}`, { deviceKey: deviceKey(n) }) } as typeof judgement,
    };
  });
  const raised = new Map<string, { message: string; until: number }>();
  let state = joined("cellar");
  for (const event of crowd) {
    const [next, effects] = play(state, event);
    state = next;
    keep(raised, effects, 0);
  }
  expect(raised.size).toBe(16);
});
