// Real agents on one LAN decide who may restart: over their own tunnels, each with its own disk.
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { leaseMs, settleMs } from "../../agent/cluster/leases/terms.ts";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import type { Child } from "./child.ts";
import { type Home, makeNeighborhood } from "./neighborhood.ts";

const names = ["attic", "cellar", "kitchen"];
const asker = join(import.meta.dirname, "lease-asker.ts");
const main = join(import.meta.dirname, "../../agent/main.ts");

async function startAsker(home: Home, name: string): Promise<Child> {
  await home.provision(name);
  const folder = home.folder(name);
  const config = await home.configure(name);
  await mkdir(join(folder, "test"), { recursive: true });
  const argv = [process.execPath, "--import", asker, main, "--config", config] as const;
  return home.spawn(name, argv, { env: { HAMLET_TEST_LEASES: join(folder, "test") } });
}

async function tell(home: Home, name: string, what: "ask" | "later", value: number): Promise<void> {
  const path = join(home.folder(name), "test", what);
  await writeFile(`${path}.new`, `${value}`);
  await rename(`${path}.new`, path);
}

test.skipIf(lacks("namespaces", "wireguard", "nft"))(
  "one holds the lease, another is denied it by name, a minority gets none, and a dead holder's lease comes free",
  async () => {
    await using home = await makeNeighborhood(names);
    const agents = new Map(await Promise.all(names.map(async (name) => [name, await startAsker(home, name)] as const)));
    let asked = 0;
    /** What the agents say to `name`, once it is no longer too early to say. */
    const ask = async (name: string, { isSure = true } = {}): Promise<Record<string, unknown>> =>
      eventually(
        async () => {
          const number = ++asked;
          await tell(home, name, "ask", number);
          const [, outcome = ""] = await agents.get(name)!.says(new RegExp(`lease ${number} (\\{.*\\})`), 15_000);
          const answer = JSON.parse(outcome);
          if (isSure) expect(answer.by).not.toBe("settling");
          return answer;
        },
        { within: 60_000, every: 2_000 },
      );
    const leaseAt = async (name: string) => (await home.status(name)).lease;

    await eventually(
      async () => {
        for (const name of names)
          expect((await home.status(name)).members.filter(({ state }) => state === "alive")).toHaveLength(3);
      },
      { within: 60_000, every: 500 },
    );
    // Past the silence of voters that have just started.
    for (const name of names) await tell(home, name, "later", settleMs);
    await eventually(
      async () => {
        for (const name of names) expect((await leaseAt(name))?.voters).toHaveLength(3);
      },
      { within: 120_000, every: 1_000 },
    );
    const attic = (await home.status("attic")).self.id;
    // Until all three grant: a new voter does so only once both others have told it what it may have forgotten, and one of them is about
    // to die. Asking again ends the lease before.
    await eventually(
      async () => {
        expect(await ask("attic")).toMatchObject({ kind: "granted", away: [] });
        for (const name of ["cellar", "kitchen"])
          expect(agents.get(name)!.output()).toContain(`lease granted to ${attic}`);
      },
      { within: 90_000, every: 5_000 },
    );
    expect(await ask("cellar")).toMatchObject({ kind: "denied", by: "held", holder: attic });
    await eventually(
      async () => {
        for (const name of names) expect((await leaseAt(name))?.holder).toBe(attic);
      },
      { within: 60_000, every: 1_000 },
    );

    // Its plug is pulled. The others' clocks go ahead, so that the test need not wait.
    await home.removeHost("attic");
    expect(await ask("kitchen")).toMatchObject({ kind: "denied", by: "held", holder: attic });
    await eventually(
      async () => {
        for (const name of ["cellar", "kitchen"])
          expect((await home.status(name)).members.find(({ id }) => id === attic)?.state).toBe("dead");
      },
      { within: 60_000, every: 1_000 },
    );
    const startedAt = performance.now();
    for (const name of ["cellar", "kitchen"]) await tell(home, name, "later", leaseMs);
    const granted = await eventually(
      async () => {
        const answer = await ask("kitchen");
        expect(answer["kind"]).toBe("granted");
        return answer;
      },
      { within: 60_000, every: 1_000 },
    );
    console.log(`free ${((performance.now() - startedAt) / 1000).toFixed(1)} s after one lease length`);
    expect(granted["away"]).toEqual([attic]);

    await home.cut("cellar");
    expect(await ask("cellar", { isSure: false })).toEqual({ kind: "denied", by: "noMajority" });
  },
);
