// The swarm as updates use it: the same pieces for this device's updater and for the other members, under the owner's settings.
import { join } from "node:path";
import type { Clock } from "../../system/clock.ts";
import type { Warnings } from "../health/warnings.ts";
import { type Lending, makeLending } from "../swarm/lending.ts";
import { openShelf } from "../swarm/shelf.ts";
import type { Web } from "../swarm/store.ts";
import { Store } from "../swarm/store.ts";
import { makeSwarm, type Swarm } from "../swarm/swarm.ts";

export type SwarmOptions = {
  web: Web;
  stateFolder: string;
  clock: Clock;
  warnings: Pick<Warnings, "raise" | "clear">;
  release(): string;
  mayFetchForOthers(): boolean;
};

const toldForMs = 7 * 24 * 3600_000;

/** Members that write slowly ask again within this time. */
const betweenMs = 600_000;

export async function startSwarm(o: SwarmOptions): Promise<{
  swarm: Swarm;
  lending: Lending;
  /** Whether this device has lately fetched something for another one. */
  isFetchingForOthers(): boolean;
  tidy(): Promise<void>;
}> {
  const { web, clock, warnings, release } = o;
  const shelf = await openShelf({ folder: join(o.stateFolder, "pieces"), now: clock.now });
  const store = new Store({ shelf, web, clock });
  const swarm = makeSwarm({
    ...{ store, clock, release, random: Math.random },
    onLie({ id, name }, of) {
      const what = `${name} lent wrong bytes of release ${of || "files"}; this device asks others for the rest of it`;
      const hint = `check the card, disk and memory of ${name}; if it may be in other hands: hamlet revoke ${name}`;
      warnings.raise("member.wrongBytes", what, hint, { subject: id, forMs: toldForMs });
    },
    onForgiven: (id) => warnings.clear("member.wrongBytes", id),
  });
  let fetchedAt = Number.NEGATIVE_INFINITY;
  const onFetch = () => {
    fetchedAt = clock.monotonic();
  };
  return {
    ...{ swarm, lending: makeLending({ store, clock, mayFetch: o.mayFetchForOthers, onFetch }), tidy: shelf.tidy },
    isFetchingForOthers: () => clock.monotonic() - fetchedAt < betweenMs,
  };
}
