// Why nobody takes part in a rollout, by how many devices.
// Pure.
import { z } from "zod";
import { isOlderThan, type Ranking, type Standing } from "./ranking.ts";
import { autoOff, type Member, type Order } from "./view.ts";

export const Nobody = z
  .array(
    z.object({
      why: z.enum(["newer", "untagged", "unfit", "refused", "failed", "held", "away", "silent", "stuck"]),
      count: z.int(),
    }),
  )
  .max(9);
export type Nobody = z.infer<typeof Nobody>;
type Why = Nobody[number]["why"];

/** Why a device that a rollout is about has no place in it. */
const asideWhys: Partial<Record<Standing["kind"], Why>> = {
  ...{ unfit: "unfit", failed: "failed", held: "held", passedOver: "away", silent: "silent", stuck: "stuck" },
};

/** Undefined if somebody does. */
export function whyNobody(
  members: Iterable<Member>,
  order: Pick<Order, "release" | "tag">,
  { places, aside }: Pick<Ranking, "places" | "aside">,
): Nobody | undefined {
  if (places.length > 0) return undefined;
  const standings = new Map(aside.map(({ id, standing }) => [id, standing]));
  return counted([...members], (member) => {
    const standing = standings.get(member.id);
    if (!standing) return withoutPlace(member, order) ?? "newer";
    return standing.kind === "unfit" && standing.check === autoOff ? "refused" : (asideWhys[standing.kind] ?? "newer");
  });
}

/** What can be told before a rollout is signed: undefined if it may be about somebody. Releases before this one tell no tags. */
export function nobodyFor(
  members: readonly { release: string; tags?: readonly string[] }[],
  order: { release: string; tag?: string | undefined },
): Nobody | undefined {
  const whys = members.map((member) => withoutPlace(member, order));
  return whys.includes(undefined) ? undefined : counted(whys, (why) => why!);
}

function withoutPlace(
  { release, tags }: { release: string; tags?: readonly string[] },
  order: { release: string; tag?: string | undefined },
): Why | undefined {
  if (!isOlderThan(release, order.release)) return "newer";
  return order.tag !== undefined && tags && !tags.includes(order.tag) ? "untagged" : undefined;
}

function counted<One>(all: readonly One[], whyOf: (one: One) => Why): Nobody {
  return [...Map.groupBy(all, whyOf)].map(([why, those]) => ({ why, count: those.length }));
}
