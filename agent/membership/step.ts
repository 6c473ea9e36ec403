// Who is in the neighborhood, as this device knows it: what happened and the time go in, what to do about it comes out.
// Pure: signatures are verified before an event is made (verify.ts), and the effects are performed by membership.ts.
import { countAbsence, takeLiveness } from "./absence.ts";
import { letIn, turnedAway } from "./admissions.ts";
import { carryOwn, takeAdoptions } from "./adoptions.ts";
import { nameDisputes, takeDispute } from "./disputes.ts";
import { rename } from "./names.ts";
import { judgeAgain, keepRecord, takeRecord } from "./records.ts";
import { takeRejections } from "./rejections.ts";
import { applyReplacements } from "./replacements.ts";
import { takeRevocations } from "./revocations.ts";
import { chain, type Effect, type Event, type Now, renew, type State, type Step } from "./state.ts";
import { dateOf } from "./trust.ts";

export function step(state: State, event: Event, now: Now): Step {
  const [next, effects] = chain(
    state,
    (before) => countAbsence(before, now),
    (before) => take(before, event, now),
    applyReplacements,
    (after) => [after, nameDisputes(state, after, now, event.kind === "disputed" ? event.by : undefined)],
  );
  return [next, once(effects)];
}

function take(state: State, event: Event, now: Now): Step {
  switch (event.kind) {
    case "loaded":
      return load(state, event);
    case "record":
      return takeRecord(state, event, now);
    case "judgedAgain":
      return judgeAgain(state, event, now);
    case "revocations":
      return takeRevocations(state, event);
    case "adoptions":
      return takeAdoptions(state, event.adopted);
    case "rejections":
      return takeRejections(state, event.rejected, dateOf(state, now.wallMs));
    case "liveness":
      return takeLiveness(state, event.states, now);
    case "disputed":
      return takeDispute(state, event, now);
    case "turnedAway":
      return turnedAway(state, event);
    case "letIn":
      return letIn(state);
    case "rename":
      return rename(state, event.name);
    case "endpoints":
      return takeEndpoints(state, event.endpoints);
  }
}

const signedFiles = ["revocations", "adoptions", "rejections"] as const;

/** What was kept, as it was judged at the start. */
function load(
  state: State,
  { revocations, adoptions, rejections, records, endpoints }: Event & { kind: "loaded" },
): Step {
  return chain(
    { ...state, revocations, adoptions, rejections },
    // What came by another way than its own file: with the provision file, or out of a damaged one.
    (before) => [before, signedFiles.map((file) => ({ kind: "save", file }))],
    carryOwn,
    ...records.map(({ judgement, jws, ...kept }) => (before: State): Step => {
      return judgement.kind === "member" ? keepRecord(before, judgement, jws, kept) : [before, []];
    }),
    (before) => (isSame(before, endpoints) ? [before, []] : renew(before, { endpoints })),
    (after) => [after, [{ kind: "members" }]],
  );
}

/** Where others reach this device has changed: its record says so, and it greets them anew. */
function takeEndpoints(state: State, endpoints: readonly string[]): Step {
  if (isSame(state, endpoints)) return [state, []];
  const [next, effects] = renew(state, { endpoints });
  return [next, [...effects, { kind: "publish" }, { kind: "greetAll" }]];
}

const isSame = ({ own }: State, endpoints: readonly string[]) => own.endpoints.join() === endpoints.join();

const onlyOnce = new Set<Effect["kind"]>(["sign", "members", "publish", "greetAll", "save"]);

/**
 * A step signs, saves and tells each thing once, after all that it changes. A newcomer's endpoint (`met`) comes last: the mesh drops
 * it before `members` has told of the newcomer.
 */
function once(effects: readonly Effect[]): Effect[] {
  const last = new Map(effects.map((effect, at) => [keyOf(effect), at]));
  const kept = effects.filter((effect, at) => !onlyOnce.has(effect.kind) || last.get(keyOf(effect)) === at);
  return [...kept.filter(({ kind }) => kind !== "met"), ...kept.filter(({ kind }) => kind === "met")];
}

const keyOf = (effect: Effect) => (effect.kind === "save" ? `save ${effect.file}` : effect.kind);
