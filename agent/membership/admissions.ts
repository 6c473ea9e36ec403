// Members' admissions of this device, and what it tells its owner while it has none.
// Pure.
import { provisionAgain } from "../../provisioning/neighborhood/provision-device.ts";
import { voucherOf } from "../../provisioning/trust/admission.ts";
import type { PendingReason } from "../../provisioning/trust/judge.ts";
import { maxAdmissions } from "../../provisioning/trust/record.ts";
import { chain, type Effect, renew, type State, type Step } from "./state.ts";

/** The reason that a member gives to a device that comes too late. */
const tokenExpired: PendingReason = "tokenExpired";

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

/** Only others can tell that a token has expired: this device's own clock may show any date. */
export function turnedAway(state: State, because: string): Step {
  if (state.own.admissions.length > 0) return [state, []];
  const { name } = state.own;
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
