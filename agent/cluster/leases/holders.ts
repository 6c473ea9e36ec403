// Who holds a lease, as far as this member has heard from voters.
// Pure.
import { majorityOf } from "./list.ts";
import type { Grant, View } from "./state.ts";

/** The member to which a majority of the voters has granted, and since when. */
export function holderIn(view: View, now: number): { id: string; sinceMs: number } | undefined {
  const { list, heard, self } = view;
  const active = list.voters.flatMap((voter): readonly (Grant & { voter: string })[] => {
    const grants = voter === self ? view.grants : (heard.get(voter)?.grants ?? []);
    return grants.flatMap((grant) => (grant.untilMs > now ? [{ ...grant, voter }] : []));
  });
  for (const { holder, slot } of active) {
    const same = active.filter((grant) => grant.holder === holder && grant.slot === slot);
    // A voter may hold an older claim of the same holder too.
    if (new Set(same.map(({ voter }) => voter)).size < majorityOf(list.voters.length)) continue;
    return { id: holder, sinceMs: Math.min(...same.map(({ sinceMs }) => sinceMs)) };
  }
  return undefined;
}
