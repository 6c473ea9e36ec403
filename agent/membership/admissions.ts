// Members' admissions of this device, and what it tells its owner while it has none.
// Pure.
import { provisionAgain } from "../../provisioning/neighborhood/provision-device.ts";
import { voucherOf } from "../../provisioning/trust/admission.ts";
import type { PendingReason } from "../../provisioning/trust/judge.ts";
import { maxAdmissions } from "../../provisioning/trust/record.ts";
import { chain, type Effect, renew, type State, type Step } from "./state.ts";

/** It is said again at each greeting: the warning ends by itself once it is not. */
const DISPUTED_MS = 10 * 60_000;

/** The reason that a member gives to a device that comes too late. */
const tokenExpired: PendingReason = "tokenExpired";
/** One that others may settle differently: each counts by itself. */
export const overMaximum: PendingReason = "overMaximum";

/** Keeps one admission of each member. A new one takes a free place, or that of a voucher that is no member any more, and no other. */
export function takeAdmissions(state: State, admissions: readonly string[]): Step {
  let kept = state.own.admissions;
  for (const admission of admissions) {
    if (kept.some((other) => voucherOf(other) === voucherOf(admission))) continue;
    const gone = kept.length < maxAdmissions ? undefined : kept.find((other) => !state.members.has(voucherOf(other)));
    if (kept.length >= maxAdmissions && gone === undefined) break;
    kept = [...kept.filter((other) => other !== gone), admission];
  }
  if (kept === state.own.admissions) return [state, []];
  return chain(
    state,
    (before) => renew(before, { admissions: kept }),
    letIn,
    (after) => [after, [{ kind: "publish" }]],
  );
}

/** The members whose word for this device its record has. */
export const admittersOf = (admissions: readonly string[]): string[] => admissions.map(voucherOf);

export const letIn = (state: State): Step => [
  { ...state, isWaiting: false },
  [
    { kind: "clear", code: "waiting.pending" },
    { kind: "clear", code: "token.expired" },
  ],
];

/** Members of one side let this device in, and those of another have not: whoever of them meets it says so too. */
function warnOfDispute({ self, own, members }: State, at: string): Effect {
  const by = admittersOf(own.admissions).map((id) => members.get(id)?.name ?? id);
  const message = `this device is a member to ${by.join(", ")} and waits at ${at}: too many devices joined with token ${self.token.id}`;
  const hint = `if it is yours, type: hamlet adopt ${own.name} --neighborhood <folder> --device ${at}`;
  return { kind: "warn", code: "token.disputed", message, hint, subject: self.id, forMs: DISPUTED_MS };
}

/** Only others can tell that a token has expired: this device's own clock may show any date. */
export function turnedAway(state: State, { because, at }: { because: string; at: string }): Step {
  const { name, admissions } = state.own;
  if (admissions.length > 0) return [state, because.includes(overMaximum) ? [warnOfDispute(state, at)] : []];
  const hint = `let it in: hamlet adopt ${name} --neighborhood <folder> --device ${name}.local; or ${provisionAgain(name)}`;
  const isExpired = because.includes(tokenExpired);
  const day = new Date(state.self.token.notAfter).toISOString().slice(0, 10);
  const effects: Effect[] = isExpired
    ? [
        { kind: "clear", code: "waiting.pending" },
        {
          kind: "warn",
          code: "token.expired",
          message: `this device's token expired on ${day}: no member admits it any more`,
          hint,
        },
      ]
    : [
        { kind: "clear", code: "token.expired" },
        { kind: "warn", code: "waiting.pending", message: "the neighborhood has not admitted this device yet", hint },
      ];
  return [{ ...state, isWaiting: true }, effects];
}
