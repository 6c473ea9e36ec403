// Real agents bring each other a release over the mesh, one of them without a way to the web.
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { makeRepository } from "../ota/updater/repository.ts";
import { makeNeighborhood } from "./neighborhood.ts";
import { takeRelease } from "./take-release.ts";
import { startWeb } from "./web.ts";

const names = ["attic", "cellar", "kitchen"];

test.skipIf(lacks("namespaces", "wireguard", "nft"))(
  "three members fetch a release once, and the one that the web does not reach gets it too",
  async () => {
    await using home = await makeNeighborhood(names);
    const web = await startWeb(home);
    const repository = makeRepository();
    const first = repository.publish(repository.makeRelease("1.0", { rootBytes: 300 * 4096 }));
    await web.put(repository);
    await home.on("cellar")(["ip", "route", "add", "unreachable", `${home.address("web")}/32`]);
    await Promise.all(names.map((name) => home.provision(name)));
    for (const name of names) await home.startAgent(name, { update: { repositories: [web.url] } });
    const socketOf = (name: string) => join(home.folder(name), "run/agent.sock");
    await eventually(
      async () => {
        for (const name of names) {
          const { members } = await home.status(name);
          expect(members.filter(({ state }) => state === "alive")).toHaveLength(3);
        }
      },
      { within: 20_000 },
    );
    const { firstRoot } = repository;

    await web.sentBytes();
    const taken = await Promise.all(names.map((name) => takeRelease(socketOf(name), { firstRoot })));
    const sentBytes = await web.sentBytes();
    for (const { root } of taken) expect(root.equals(first.root)).toBe(true);
    // What the line of one member carries for it: two of the three have carried it together.
    const contentBytes = first.root.length + first.kernel.length;
    console.log(`the web sent ${sentBytes} bytes for contents of ${contentBytes}`);
    expect(sentBytes).toBeLessThan(1.3 * contentBytes);

    // The next one comes as a pack.
    const next = repository.publish(repository.makeRelease("1.1", { from: first, edits: [100, 50_000, 900_000] }));
    await web.put(repository);
    const again = await Promise.all(names.map((name) => takeRelease(socketOf(name), { firstRoot, from: first })));
    for (const { root, manifest } of again) {
      expect(manifest.version).toBe("1.1");
      expect(root.equals(next.root)).toBe(true);
    }
    for (const name of names) {
      expect((await home.status(name)).warnings.map(({ code }) => code)).not.toContain("member.wrongBytes");
    }
  },
);
