// Members' admissions of this device, and what it tells its owner while it has none.
// Pure.
import { z } from "zod";
import { provisionAgain } from "../../provisioning/neighborhood/provision-device.ts";
import { readUnverified } from "../../provisioning/trust/jws.ts";
import type { PendingReason } from "../../provisioning/trust/record.ts";
import { chain, type Effect, renew, type State, type Step, type Voucher } from "./state.ts";

// The newest four: the member that vouched first may be long gone.
const maxAdmissions = 4;
/** The reason that a member gives to a device that comes too late. */
const tokenExpired: PendingReason = "tokenExpired";

/** Keeps one admission of each member. */
export function takeVouchers(state: State, vouchers: readonly Voucher[]): Step {
  const known = new Set(state.own.admissions.map(voucherOf));
  const fresh: string[] = [];
  for (const { by, jws } of vouchers) {
    if (known.has(by)) continue;
    known.add(by);
    fresh.push(jws);
  }
  if (fresh.length === 0) return [state, []];
  return chain(
    state,
    (before) => renew(before, { admissions: [...before.own.admissions, ...fresh].slice(-maxAdmissions) }),
    letIn,
    (after) => [after, [{ kind: "publish" }]],
  );
}

/** The members whose word for this device its record has. */
export const admittersOf = (admissions: readonly string[]): string[] =>
  admissions.map(voucherOf).filter((by) => by !== undefined);

/** Admissions are verified before they are kept. */
function voucherOf(jws: string): string | undefined {
  try {
    return readUnverified("hamlet-admission", jws, z.object({ by: z.string() })).by;
  } catch {
    return undefined;
  }
}

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
  const hint = provisionAgain(state.own.name);
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
