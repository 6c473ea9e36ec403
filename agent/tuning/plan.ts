// Which values a profile sets on this kernel. Pure.
import { isSame, words } from "../kernel/changes.ts";
import type { Profile, Setting } from "./profiles.ts";

/** `was` as the kernel spelled it before, `is` as the profile sets it. */
export type SysctlChange = { key: string; was: string; is: string };
export type Skipped = { key: string; because: "notInKernel" | "readOnly" | "alreadySo" };

export function planProfile(
  profile: Profile,
  read: (key: string) => string | undefined,
  readOnly: ReadonlySet<string>,
): { changes: SysctlChange[]; skipped: Skipped[]; isPossible: boolean } {
  const changes: SysctlChange[] = [];
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
