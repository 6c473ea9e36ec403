// Real agents as witnesses for each other, each over its own tunnel, judged as an updater judges them.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { confirmationsIn, isFull, type Question, witnessesIn } from "../../ota/updater/witnesses.ts";
import { fakeUpdater } from "../agent/update/updater.ts";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { makeNeighborhood } from "./neighborhood.ts";

test.skipIf(lacks("namespaces", "wireguard", "nft"))(
  "members confirm by their own word that they reach a device, and one that is cut off says nothing",
  async () => {
    await using home = await makeNeighborhood(["attic", "cellar", "kitchen"]);
    await home.startAgents("attic", "cellar", "kitchen");
    const updater = fakeUpdater(join(home.folder("attic"), "run/agent.sock"));
    const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    let count = 0;
    const question = (): Question => ({ nonce: `${++count}`.padStart(22, "n"), upMs: 60_000, bootId });
    const known = await eventually(
      async () => {
        const asked = question();
        const found = witnessesIn(await updater.evidence({ witness: { nonce: asked.nonce } }), asked);
        expect(found?.members).toHaveLength(2);
        return found!;
      },
      { within: 30_000, every: 2_000 },
    );

    // A handshake that is older than the boot is none of the boot.
    const early = { ...question(), upMs: 0 };
    const ofEarly = await updater.evidence({ witness: { nonce: early.nonce } });
    const halves = confirmationsIn(ofEarly, known, early);
    expect(halves.map(({ handshake, connection }) => [handshake, connection])).toContainEqual([false, true]);
    expect(halves.some(isFull)).toBe(false);

    const { members } = await home.status("attic");
    const cellar = members.find(({ name }) => name === "cellar")!.id;
    await home.cut("cellar");
    await eventually(
      async () => {
        const asked = question();
        const from = known.members.map(({ id }) => id);
        const evidence = await updater.evidence({ witness: { nonce: asked.nonce, from } });
        const confirmed = confirmationsIn(evidence, known, asked);
        expect(confirmed.map(({ by }) => by)).not.toContain(cellar);
        expect(confirmed.filter(isFull)).toHaveLength(1);
      },
      { within: 30_000, every: 2_000 },
    );
    updater.stop();
  },
);
