// The release before this one beside it on one LAN: they join, gossip, hear of deaths and of who is out.
import { join } from "node:path";
import { expect, test } from "vitest";
import { agentClient } from "../../agent/api/client.ts";
import { signHold } from "../../provisioning/trust/hold.ts";
import { signatureOf } from "../../provisioning/trust/order.ts";
import { signRevocation } from "../../provisioning/trust/revocation.ts";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { lacksPredecessor, predecessorAgent } from "../predecessor.ts";
import { makeOperator } from "../street.ts";
import { type Home, makeNeighborhood } from "./neighborhood.ts";

const skip = lacks("namespaces", "wireguard", "nft", "ping") || (await lacksPredecessor());

/** Whom a device lists, itself left out, and in which state. What else an older one says of itself is not looked at. */
async function othersOf(home: Home, name: string): Promise<string[]> {
  const { members } = (await home.rawStatus(name)) as { members: { name: string; state: string; isSelf: boolean }[] };
  return members.filter(({ isSelf }) => !isSelf).map((one) => `${one.name} ${one.state}`);
}
const see = (home: Home, wanted: Record<string, string[]>, within: number) =>
  eventually(
    async () => {
      for (const [name, others] of Object.entries(wanted)) expect((await othersOf(home, name)).sort()).toEqual(others);
    },
    { within },
  );

test.skipIf(skip)(
  "the release before joins this one, and both know the same members, deaths and revocations",
  async () => {
    const before = await predecessorAgent();
    const [attic, cellar, kitchen] = ["attic", "cellar", "kitchen"] as const;
    // Of each release one greets the other first.
    await using home = await makeNeighborhood([attic, cellar, kitchen], { agents: { attic: before } });
    await home.startAgents(attic, cellar, kitchen);
    const whole = {
      attic: ["cellar alive", "kitchen alive"],
      cellar: ["attic alive", "kitchen alive"],
      kitchen: ["attic alive", "cellar alive"],
    };
    await see(home, whole, 20_000);
    const address = await home.meshAddress(cellar);
    await eventually(() => home.on(attic)(["ping", "-c1", "-W1", address]), { within: 8_000 });

    await home.agent(attic).kill("SIGKILL");
    await see(home, { cellar: ["attic dead", "kitchen alive"], kitchen: ["attic dead", "cellar alive"] }, 60_000);
    await home.startAgent(attic);
    await see(home, whole, 30_000);

    // A kind of document that the older one does not know harms nobody, and goes round it.
    const order = (name: string, document: string) => {
      const socketPath = join(home.folder(name), "run/agent.sock");
      return agentClient({ who: name, where: () => ({ socketPath }) }).order([document]);
    };
    const owner = await makeOperator(home.street, "owner");
    const { keys, root } = home.street;
    const terms = { ...signatureOf(keys.id, owner), number: 1, issuedAt: Date.now() };
    await order(
      cellar,
      await signHold({ ...terms, device: "all", until: Date.now() + 600_000, reason: "film" }, owner.key),
    );

    const { members } = await home.status(cellar);
    const { id, tokenId } = members.find(({ name }) => name === kitchen)!;
    const stays = members.filter(({ name }) => name !== kitchen).map((one) => one.id);
    const revoke = { kind: "device", device: id, token: tokenId!, stays } as const;
    const out = { v: 1, neighborhood: keys.id, number: Date.now(), issuedAt: Date.now(), revoke } as const;
    await order(cellar, await signRevocation(out, root));
    await see(home, { attic: ["cellar alive"], cellar: ["attic alive"] }, 15_000);
    await eventually(
      async () => {
        const peers = await home.on(attic)(["wg", "show", "hamlet0", "peers"]);
        expect(peers.trim().split("\n")).toHaveLength(1);
      },
      { within: 10_000 },
    );
  },
  240_000,
);
