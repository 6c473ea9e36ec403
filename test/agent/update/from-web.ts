// What an agent without other members lends its updater.

import { Store } from "../../../agent/swarm/store.ts";
import { makeSwarm } from "../../../agent/swarm/swarm.ts";
import type { Repositories } from "../../../agent/update/fetch.ts";
import { type Lend, makeLend } from "../../../agent/update/lend.ts";
import type { Packs } from "../../../agent/update/packs.ts";
import { makeWeb } from "../../../agent/update/web.ts";
import { systemClock as clock } from "../../../system/clock.ts";
import { memoryShelf } from "../swarm/shelf.ts";

type Sources = { repositories: Repositories; packs: Packs; checkCost?(): void };

export function lendFromWeb({ repositories, packs, checkCost = () => {} }: Sources): Lend {
  const store = new Store({ shelf: memoryShelf(), web: makeWeb({ repositories, packs }), clock });
  const nobody = { onLie() {}, onForgiven() {}, release: () => "" };
  return makeLend({ swarm: makeSwarm({ store, clock, random: () => 0, ...nobody }), checkCost });
}
