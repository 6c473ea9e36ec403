// Real agents on one LAN: what an operator hands to one of them reaches all, also whoever was away.
import { join } from "node:path";
import { expect, test } from "vitest";
import { agentClient } from "../../agent/api/client.ts";
import { signForget } from "../../provisioning/trust/forget.ts";
import { signHold } from "../../provisioning/trust/hold.ts";
import { signatureOf } from "../../provisioning/trust/order.ts";
import { signRevocation } from "../../provisioning/trust/revocation.ts";
import { signRollout } from "../../provisioning/trust/rollout.ts";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { makeOperator, rolloutBy } from "../street.ts";
import { type Home, makeNeighborhood } from "./neighborhood.ts";

const names = ["attic", "cellar", "kitchen"];

const aliveAt = async (home: Home, name: string) =>
  (await home.status(name)).members.filter(({ state }) => state === "alive").length;
const order = (home: Home, name: string, document: string) => {
  const socketPath = join(home.folder(name), "run/agent.sock");
  return agentClient({ who: name, where: () => ({ socketPath }) }).order([document]);
};
/** As a computer on the link that is no member hands it over. */
const orderByLink = async (home: Home, from: string, to: string, document: string): Promise<unknown> => {
  const body = JSON.stringify({ documents: [document] });
  const post = `fetch("http://${home.address(to)}:7780/v1/orders",{method:"POST",body:${JSON.stringify(body)}}).then((a)=>a.text()).then(console.log)`;
  return JSON.parse(await home.on(from)([process.execPath, "-e", post]));
};
/** What each of these devices says of rollouts and holds. */
const ordersAt = async (home: Home, at: readonly string[]) =>
  Promise.all(at.map(async (name) => (await home.status(name)).orders!));

test.skipIf(lacks("namespaces", "wireguard", "nft"))(
  "a rollout and a hold given to one device reach all; who was away hears the last word, and a revoked operator is stopped",
  async () => {
    await using home = await makeNeighborhood(names);
    const { keys, root } = home.street;
    const [owner, alice] = [await makeOperator(home.street, "owner"), await makeOperator(home.street, "alice")];
    await home.startAgents(...names);
    await eventually(async () => expect(await Promise.all(names.map((at) => aliveAt(home, at)))).toEqual([3, 3, 3]), {
      within: 20_000,
    });

    const startedAt = performance.now();
    const start = await signRollout(rolloutBy(keys, alice), alice.key);
    expect(await orderByLink(home, "kitchen", "attic", start)).toEqual({
      taken: [{ kind: "rollout", outcome: "new", counts: true }],
    });
    const running = { state: "running", operators: ["alice"], rollout: { release: "1.4.0", number: 1 } };
    await eventually(async () => {
      for (const { rollouts } of await ordersAt(home, names)) expect(rollouts).toMatchObject([running]);
    });
    console.log(`a rollout is everywhere after ${((performance.now() - startedAt) / 1000).toFixed(2)} s`);

    const { id } = (await home.status("cellar")).self;
    const film = { number: 1, issuedAt: Date.now(), device: id, until: Date.now() + 3_600_000, reason: "film" };
    await order(home, "cellar", await signHold({ ...signatureOf(keys.id, owner), ...film }, owner.key));
    await eventually(async () => {
      for (const { holds } of await ordersAt(home, names))
        expect(holds).toMatchObject([{ operator: "owner", hold: { device: id, reason: "film" } }]);
    });

    // Kitchen is off while the rollout is paused. What it kept on disk is older than what the others know.
    await home.agent("kitchen").kill("SIGKILL");
    const pause = rolloutBy(keys, owner, { number: 2, state: "paused" });
    await order(home, "attic", await signRollout(pause, owner.key));
    await home.startAgent("kitchen");
    await eventually(
      async () => {
        for (const { rollouts } of await ordersAt(home, names))
          expect(rollouts).toMatchObject([{ state: "paused", rollout: { number: 2 } }]);
      },
      { within: 30_000 },
    );
    // A replayed document changes nothing.
    expect(await order(home, "kitchen", start)).toEqual([{ kind: "rollout", outcome: "known", counts: false }]);
    expect((await ordersAt(home, ["kitchen"]))[0]!.rollouts).toMatchObject([{ state: "paused" }]);

    const resume = rolloutBy(keys, alice, { number: 3 });
    await order(home, "cellar", await signRollout(resume, alice.key));
    await eventually(async () => {
      for (const { rollouts } of await ordersAt(home, names)) expect(rollouts).toMatchObject([{ state: "running" }]);
    });
    const revoke = { kind: "operator", key: alice.key.publicKey } as const;
    const terms = { v: 1, neighborhood: keys.id, number: Date.now(), issuedAt: Date.now() } as const;
    await order(home, "kitchen", await signRevocation({ ...terms, revoke }, root));
    await eventually(async () => {
      for (const { rollouts, operators } of await ordersAt(home, names)) {
        expect(rollouts).toMatchObject([{ state: "paused", because: "operatorRevoked" }]);
        expect(operators).toContainEqual({ name: "alice", key: alice.key.publicKey, isRevoked: true });
      }
    });
    await expect(order(home, "attic", await signRollout({ ...resume, number: 4 }, alice.key))).rejects.toMatchObject({
      code: "document.refused",
    });
  },
);

test.skipIf(lacks("namespaces", "wireguard", "nft"))(
  "a forget ends for all once the forgotten device is back and has heard of it, also for who was away meanwhile",
  async () => {
    await using home = await makeNeighborhood(names);
    const owner = await makeOperator(home.street, "owner");
    await home.startAgents(...names);
    await eventually(async () => expect(await Promise.all(names.map((at) => aliveAt(home, at)))).toEqual([3, 3, 3]), {
      within: 20_000,
    });
    const device = (await home.status("kitchen")).self.id;
    await home.agent("kitchen").kill("SIGKILL");
    const forget = { ...signatureOf(home.street.keys.id, owner), number: 1, issuedAt: Date.now(), device };
    await order(home, "attic", await signForget(forget, owner.key));
    const forgotten = (isBack: boolean, ...at: string[]) =>
      eventually(
        async () => {
          for (const { forgets } of await ordersAt(home, at))
            expect(forgets).toMatchObject([{ forget: { device }, isBack }]);
        },
        { within: 60_000 },
      );
    await forgotten(false, "attic", "cellar");
    await home.agent("cellar").kill("SIGKILL");
    await home.startAgent("kitchen");
    await forgotten(true, "attic", "kitchen");
    // It is gone again before cellar, which knows of the forget alone, can hear its word from it.
    await home.agent("kitchen").kill("SIGKILL");
    await home.startAgent("cellar");
    await forgotten(true, "attic", "cellar");
  },
);
