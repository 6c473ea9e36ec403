// Who holds a lease, as far as this member has heard from voters.
// Pure.
import { majorityOf } from "./list.ts";
import type { Grant, View } from "./state.ts";

/** The member to which a majority of the voters has granted, and since when. */
export function holderIn(view: View, now: number): { id: string; sinceMs: number } | undefined {
  const { list, heard, self } = view;
  const grants = list.voters.flatMap((id): readonly Grant[] =>
    id === self ? view.grants : (heard.get(id)?.grants ?? []),
  );
  const active = grants.filter(({ untilMs }) => untilMs > now);
  for (const { holder, slot } of active) {
    const same = active.filter((grant) => grant.holder === holder && grant.slot === slot);
    if (same.length < majorityOf(list.voters.length)) continue;
    return { id: holder, sinceMs: Math.min(...same.map(({ sinceMs }) => sinceMs)) };
  }
  return undefined;
}
