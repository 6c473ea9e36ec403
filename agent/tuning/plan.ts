// Which values a profile comes to on this kernel, and which go back when it ends. Pure.
import type { Profile, Setting } from "./profiles.ts";

/** `was` as the kernel spelled it before, `is` as it was set. */
export type Change = { key: string; was: string; is: string };
export type Skipped = { key: string; because: "notInKernel" | "readOnly" | "alreadySo" };

export function planProfile(
  profile: Profile,
  read: (key: string) => string | undefined,
  readOnly: ReadonlySet<string>,
): { changes: Change[]; skipped: Skipped[]; isPossible: boolean } {
  const changes: Change[] = [];
  const skipped: Skipped[] = [];
  let isPossible = true;
  for (const setting of profile.settings) {
    const { key } = setting;
    const was = read(key);
    if (was === undefined || readOnly.has(key)) {
      skipped.push({ key, because: was === undefined ? "notInKernel" : "readOnly" });
      if (setting.isEssential) isPossible = false;
      continue;
    }
    const is = targetOf(setting, was);
    if (isSame(was, is)) skipped.push({ key, because: "alreadySo" });
    else changes.push({ key, was, is });
  }
  return { changes, skipped, isPossible };
}

/** A minimum raises each number that is below it and leaves the others. */
function targetOf({ value, isMinimum }: Setting, was: string): string {
  if (!isMinimum) return value;
  const wanted = words(value);
  return words(was)
    .map((have, at) => (Number(wanted[at]) > Number(have) ? wanted[at]! : have))
    .join(" ");
}

/** What goes back: only values that are still ours. What somebody else has set since is theirs. */
export function planRestore(changes: Change[], read: (key: string) => string | undefined): Change[] {
  return changes.filter(({ key, was, is }) => {
    const now = read(key);
    return now !== undefined && isSame(now, is) && !isSame(now, was);
  });
}

export const isSame = (one: string, other: string): boolean => words(one).join(" ") === words(other).join(" ");
const words = (value: string): string[] => value.trim().split(/\s+/);
