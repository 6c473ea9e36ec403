// Rollouts as this device takes part in them: it hears of members, orders and its updater, and restarts under a lease.
import { readFile } from "node:fs/promises";
import { verityOnCommandLine } from "../../image/boot/running.ts";
import { withAuto } from "../../ota/rollout/auto.ts";
import { verdictSeconds } from "../../provisioning/handover/update.ts";
import { makeLog } from "../../system/log.ts";
import { warnOfDamage } from "../health/damage.ts";
import type { Membership } from "../membership/membership.ts";
import type { Orders } from "../orders/orders.ts";
import { makePeople } from "../rollout/people.ts";
import { holdsOf, membersOf, ordersOf } from "../rollout/readings.ts";
import { Results } from "../rollout/results.ts";
import { Rollouts } from "../rollout/rollouts.ts";
import { type KeptRollouts, RolloutStore } from "../rollout/store.ts";
import { makeUnsyncedSince } from "../rollout/time.ts";
import { makeWarnOfRollout } from "../rollout/warn.ts";
import type { Joined } from "./cluster.ts";
import type { Scope } from "./scope.ts";

const catchUpMs = 5_000;

/** What is on disk of earlier rollouts: the words of all devices are a kind of document, which the cluster needs first. */
export async function openResults(
  { config, identity, warnings }: Scope,
  membership: Membership,
): Promise<{ results: Results; kept: KeptRollouts }> {
  const { damage, ...kept } = await new RolloutStore(config.stateFolder).load();
  if (damage) warnOfDamage(warnings, damage);
  const deviceKey = (id: string) =>
    id === identity.id ? identity.deviceKey : membership.members().get(id)?.record.deviceKey;
  const results = new Results({ neighborhood: identity.neighborhood.id, deviceKey });
  await results.load(kept.results);
  return { results, kept };
}

export function startRollouts(
  scope: Scope,
  parts: Pick<Joined, "cluster" | "leases" | "tellLiveness"> & {
    membership: Membership;
    orders: Orders;
    results: Results;
    kept: KeptRollouts;
  },
): Rollouts {
  const { config, identity, clock, warnings, hasUpdater, updateReport, askUpdater, zone, ended } = scope;
  const { membership, orders, cluster, leases, results, kept } = parts;
  const { id, token, bootId } = identity;
  const openedAtMs = clock.monotonic();
  const nameOf = (device: string) =>
    device === id ? identity.name : (membership.members().get(device)?.name ?? device);
  const rollouts = new Rollouts({
    self: { id, neighborhood: identity.neighborhood.id, key: identity.key, bootId },
    clock,
    log: makeLog("rollout"),
    store: new RolloutStore(config.stateFolder),
    ...{ kept, results, leases, hasUpdater, updateReport, askUpdater, zone },
    trialSeconds: config.update.verdictSeconds ?? verdictSeconds.usual,
    orders: (auto) => ({
      orders: withAuto(ordersOf(orders.rollouts()), auto, {
        isRefused: !config.update.auto,
        hasZone: zone !== undefined,
      }),
      holds: holdsOf(orders.holds()),
    }),
    members: () =>
      membersOf({
        self: { id, release: config.release, board: config.board, tags: token.tags },
        members: membership.members().values(),
        liveness: cluster.liveness(),
        forgotten: new Set(orders.forgotten()),
        ...{ openedAtMs, nowMs: clock.monotonic(), wallMs: clock.now() },
      }),
    catchUp: () => cluster.catchUp(catchUpMs),
    publish: (device) => cluster.publish("result", device),
    // The root file system runs whose hash tree the kernel was started with.
    rootHash: async () =>
      hasUpdater ? verityOnCommandLine(await readFile("/proc/cmdline", "utf8"))?.rootHash : undefined,
    people: makePeople(clock.monotonic),
    unsyncedSince: makeUnsyncedSince(clock),
    warn: makeWarnOfRollout(warnings, nameOf),
    onUpdating: parts.tellLiveness,
  });
  orders.isDone = (rollout) => rollouts.isDone(rollout);
  ended.push(
    orders.onChange(() => rollouts.ordersChanged()),
    () => rollouts.stop(),
  );
  return rollouts;
}
