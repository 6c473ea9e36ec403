// Which waiting device a person means.
// Pure.
import type { PublicStatus, Status } from "../../../agent/api/schema.ts";
import { adoptionCodeOf, parseAdoptionCode } from "../../../provisioning/trust/adoption-code.ts";
import { HamletError } from "../../../system/error.ts";

export type Waiting = { name: string; code: string; deviceKey: string };

/**
 * Those that the asked device knows of: the pending that it has heard, or itself. Anyone may have answered in its place: the code that a
 * person compares is that of the key which will be signed, whatever the answer calls it.
 */
export function waitingAt(found: Status | PublicStatus): Waiting[] {
  const { name, deviceKey } = "self" in found ? found.self : found;
  const others = "self" in found ? found.pending : [];
  const itself = found.phase === "pending" && deviceKey !== undefined ? [{ name, deviceKey }] : [];
  return [...others, ...itself].map((one) => ({
    ...{ name: one.name, deviceKey: one.deviceKey, code: adoptionCodeOf(one.deviceKey) },
  }));
}

/** Whether the device that was asked is the one. */
export const isItself = (found: Status | PublicStatus, { deviceKey }: Pick<Waiting, "deviceKey">): boolean =>
  ("self" in found ? found.self : found).deviceKey === deviceKey;

/** The names of those that are in already. */
export const membersAt = (found: Status | PublicStatus): string[] =>
  "self" in found ? found.members.map(({ name }) => name) : [];

/**
 * The one that `wanted` (a name, a code, or nothing if only one waits) and `code` mean. Throws `adoption.notWaiting`,
 * `adoption.ambiguous` or `adoption.wrongCode`.
 */
export function choose(
  waiting: readonly Waiting[],
  wanted: string | undefined,
  code: string | undefined,
  asked: string,
  members: readonly string[] = [],
): Waiting {
  const wantedCode = parseAdoptionCode(wanted ?? "");
  const fits = waiting.filter((one) => wanted === undefined || one.name === wanted || one.code === wantedCode);
  if (fits.length === 0) {
    const others = waiting.map(({ name, code }) => `${name} (${code})`).join(", ");
    throw new HamletError(
      "adoption.notWaiting",
      `${wanted ?? "no device"} ${wanted ? "does not wait" : "waits"} for adoption at ${asked}`,
      { hint: hintOf(wanted, members, others) },
    );
  }
  const chosen = code === undefined ? fits : fits.filter((one) => one.code === parseAdoptionCode(code));
  if (chosen.length === 0) {
    throw new HamletError(
      "adoption.wrongCode",
      `the code is not ${code}, but ${fits.map((one) => one.code).join(", ")}`,
      { hint: "compare it with the code on the device's own page or console", exitCode: 3 },
    );
  }
  if (chosen.length > 1) {
    throw new HamletError(
      "adoption.ambiguous",
      `${chosen.length} devices wait: ${chosen.map(({ name, code }) => `${name} (${code})`).join(", ")}`,
      { hint: "name the one by its code: hamlet adopt <code>", exitCode: 3 },
    );
  }
  return chosen[0]!;
}

function hintOf(wanted: string | undefined, members: readonly string[], others: string): string {
  // As after an adoption whose answer was lost.
  if (wanted !== undefined && members.includes(wanted)) return `a member is called ${wanted}: see hamlet status`;
  return others ? `those that wait: ${others}` : "if it is plugged in, ask it itself: --device <its address>";
}
