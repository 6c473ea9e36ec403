// The swarm as updates use it: the same pieces for this device's updater and for the other members, under the owner's settings.
import { join } from "node:path";
import type { Clock } from "../../system/clock.ts";
import { HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "../health/warnings.ts";
import { type Lending, makeLending } from "../swarm/lending.ts";
import { openShelf } from "../swarm/shelf.ts";
import { makeSlots } from "../swarm/slots.ts";
import type { Web } from "../swarm/store.ts";
import { Store } from "../swarm/store.ts";
import { makeSwarm, type Swarm } from "../swarm/swarm.ts";
import { openSlotRecipe } from "./slot-recipe.ts";

export type SwarmOptions = {
  web: Web;
  stateFolder: string;
  clock: Clock;
  warnings: Pick<Warnings, "raise" | "clear">;
  release(): string;
  mayFetchForOthers(): boolean;
  /** The root partitions of the slots, which others take chunks from. */
  slots: { paths: readonly string[]; board: string };
  log: Log;
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
  /** The updater has been given a file. */
  saw(path: string, bytes: Buffer): void;
}> {
  const { web, clock, warnings, release } = o;
  const recipe = openSlotRecipe({
    ...{ folder: o.stateFolder, board: o.slots.board, clock, log: o.log },
    obtain: (...args) => swarm.obtain(...args),
    checkCost() {
      if (!o.mayFetchForOthers()) throw new HamletError("update.metered", "this device's line is not for others");
    },
  });
  const slots = makeSlots({ paths: o.slots.paths, places: recipe.places, clock });
  const shelf = await openShelf({ folder: join(o.stateFolder, "pieces"), now: clock.now });
  const store = new Store({ shelf, slots, web, clock });
  const swarm: Swarm = makeSwarm({
    ...{ store, clock, release, random: Math.random },
    onLie({ id, name }, of) {
      const what = `${name} lent wrong bytes of release ${of || "files"}; this device asks others for the rest of it`;
      const hint = `check the card, disk and memory of ${name}; if it may be in other hands: hamlet revoke ${name} --neighborhood <folder>`;
      warnings.raise("member.wrongBytes", what, hint, { subject: id, forMs: toldForMs });
    },
    onForgiven: (id) => warnings.clear("member.wrongBytes", id),
  });
  let fetchedAt = Number.NEGATIVE_INFINITY;
  const onFetch = () => {
    fetchedAt = clock.monotonic();
  };
  return {
    ...{ swarm, lending: makeLending({ store, clock, mayFetch: o.mayFetchForOthers, onFetch }) },
    saw(path, bytes) {
      // A device without slots lends from none.
      if (o.slots.paths.length > 0) recipe.saw(path, bytes);
    },
    async tidy() {
      recipe.rest();
      await shelf.tidy();
    },
    isFetchingForOthers: () => clock.monotonic() - fetchedAt < betweenMs,
  };
}
