// What the agent has changed in the kernel and does not undo by itself, newest last; and how it is undone.
// Pure.
import { z } from "zod";

/** Below net. and one kernel name a part: an interface called `a.b` cannot be reached, nor any path. */
export const SysctlKey = z.string().regex(/^net(\.[a-z0-9_]+)+$/, "only keys under net.");
const made = { owner: z.string(), was: z.literal("absent"), is: z.literal("present") };

/** `was` as the kernel spelled it before, `is` as the owner set it. */
export const Change = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("sysctl"), owner: z.string(), key: SysctlKey, was: z.string(), is: z.string() }),
  z.strictObject({ kind: z.literal("interface"), key: z.string().regex(/^[\w.-]{1,15}$/), ...made }),
  z.strictObject({
    kind: z.literal("route"),
    key: z.string().regex(/^unreachable [0-9a-f:]+\/\d{1,3} metric \d+$/, "only unreachable routes"),
    ...made,
  }),
  z.strictObject({ kind: z.literal("table"), key: z.string().regex(/^inet [a-z]+$/), ...made }),
]);
export type Change = z.infer<typeof Change>;
export type Place = Pick<Change, "kind" | "key">;
/** Something that is made and removed, in contrast to a value that is set. */
export type Made = { kind: Exclude<Change["kind"], "sysctl">; key: string };

/** Adds a change, or renews its owner's earlier one, whose `was` stays. */
export function record(changes: readonly Change[], change: Change): Change[] {
  const at = changes.findIndex((known) => known.owner === change.owner && isSamePlace(known, change));
  return at === -1
    ? [...changes, change]
    : changes.map((known, here) => (here === at ? renewed(known, change) : known));
}

/** Takes out one change. Returns what is left, and the change to undo in the kernel if it is due there. */
export function release(
  changes: readonly Change[],
  change: Change,
  now: string | undefined,
): { left: Change[]; undo: Change | undefined } {
  const left = changes.filter((other) => other !== change);
  // Another owner changed the same place later and found our value there: undoing that change leads back to before ours.
  const above = left.find((other, at) => at >= changes.indexOf(change) && isSamePlace(other, change));
  if (above) {
    const handed = isSame(above.was, change.is) ? withWas(above, change.was) : above;
    return { left: left.map((other) => (other === above ? handed : other)), undo: undefined };
  }
  // Only a value that is still ours goes back: a program that has set another one since owns it now.
  const isOurs = now !== undefined && isSame(now, change.is) && !isSame(now, change.was);
  return { left, undo: isOurs ? change : undefined };
}

export const isSamePlace = (one: Place, other: Place): boolean => one.kind === other.kind && one.key === other.key;
/** The kernel separates several numbers by tabs, people by spaces. */
export const isSame = (one: string, other: string): boolean => words(one).join(" ") === words(other).join(" ");
export const words = (value: string): string[] => value.trim().split(/\s+/);

const renewed = (known: Change, { is }: Change): Change => (known.kind === "sysctl" ? { ...known, is } : known);
const withWas = (change: Change, was: string): Change => (change.kind === "sysctl" ? { ...change, was } : change);
