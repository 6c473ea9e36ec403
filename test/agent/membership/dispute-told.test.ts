// Members that counted apart, as their agents run it: what one has waiting is said over real sockets, and named where it is a member.
import { afterEach, expect, test } from "vitest";
import { type Cluster, startCluster } from "../../../agent/cluster/cluster.ts";
import { livenessSigner } from "../../../agent/cluster/proofs.ts";
import type { Identity } from "../../../agent/identity.ts";
import { disputedForMs } from "../../../agent/membership/disputes.ts";
import { makeTelling, type Telling } from "../../../agent/membership/telling.ts";
import { signAdoption } from "../../../provisioning/trust/adoption.ts";
import { systemClock } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";
import { eventually } from "../../eventually.ts";
import { makeWorld, verdict, type World } from "./world.ts";

const running = new Set<Cluster>();
afterEach(async () => {
  await Promise.all([...running].map((cluster) => cluster.stop()));
  running.clear();
});

const port = 17_951;
// Loopback stands in for the mesh.
const places = ["attic", "cellar", "porch", "shed"];
/** They say hello themselves. */
const from = "192.0.2.1";
const placeOf = (name: string) => `127.0.9.${places.indexOf(name) + 1}`;

/** A member that has these as members, in this order, with the cluster and the telling that its agent starts. */
async function member(world: World, identity: Identity, others: readonly Identity[]) {
  const known = await world.know(identity);
  const { membership, warnings } = known;
  const verdicts: string[] = [];
  for (const { jws } of others) verdicts.push(verdict(await membership.receive({ record: jws }, from)));
  let telling: Telling | undefined;
  const cluster = await startCluster({
    self: { id: identity.id, signLiveness: livenessSigner(identity.key.privateKey) },
    ...{ address: placeOf(identity.name), port, documents: [], clock: systemClock, log: silentLog, onChange() {} },
    members: () =>
      new Map(
        [...membership.members()].map(([id, { name, record }]) => [
          id,
          { address: placeOf(name), deviceKey: record.deviceKey },
        ]),
      ),
    onOther: (from, bytes) => void telling?.hear(from, bytes),
  });
  running.add(cluster);
  const alive = () =>
    [...cluster.liveness()].flatMap(([id, { state }]) => (state === "alive" && id !== identity.id ? [id] : []));
  telling = makeTelling({ membership, alive, send: cluster.send, monotonic: () => world.now });
  const disputes = () => warnings.list().flatMap(({ code, message }) => (code === "token.disputed" ? [message] : []));
  return { look: () => telling.look(), alive, disputes, verdicts, membership };
}

test("a device that is a member here and waits at another member is named here, and no more once it waits nowhere", async () => {
  await using world = await makeWorld({ maxDevices: 3 });
  const [attic, cellar, porch, shed] = await Promise.all(places.map((name) => world.device(name)));
  const atAttic = await member(world, attic!, [cellar!, porch!]);
  const atCellar = await member(world, cellar!, [attic!, shed!, porch!]);
  expect([atAttic.verdicts, atCellar.verdicts]).toEqual([
    ["member", "member"],
    ["member", "member", "pending overMaximum"],
  ]);
  await eventually(() => atCellar.alive().includes(attic!.id) && atAttic.alive().includes(cellar!.id));
  expect([atAttic.disputes(), atCellar.disputes()]).toEqual([[], []]);

  const token = porch!.token.id;
  await eventually(async () => {
    // A datagram may be lost, and is said again after two minutes. Whoever waits says hello meanwhile.
    world.now += 15_000;
    await atCellar.membership.receive({ record: porch!.jws }, from);
    atCellar.look();
    expect(atAttic.disputes()).toEqual([
      `porch (${porch!.id}) is a member here and waits at cellar: too many devices joined with token ${token}`,
    ]);
  });
  expect(atAttic.membership.members().has(porch!.id)).toBe(true);

  const { keys, root } = world.street;
  const terms = { v: 1, neighborhood: keys.id, issuedAt: world.now, revocation: 0 } as const;
  await atCellar.membership.adopt(await signAdoption({ ...terms, deviceKey: porch!.deviceKey }, root));
  expect(verdict(await atCellar.membership.receive({ record: porch!.jws }, from))).toBe("member");
  const saidAt = world.now;
  await eventually(() => {
    world.now += 15_000;
    atCellar.look();
    expect(atAttic.disputes()).toEqual([]);
  });
  // By its word, and not because its last one has grown old.
  expect(world.now - saidAt).toBeLessThan(disputedForMs);
});
