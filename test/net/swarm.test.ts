// Real agents bring each other a release over the mesh, one of them without a way to the web.
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { makeRepository } from "../ota/updater/repository.ts";
import { type Home, makeNeighborhood } from "./neighborhood.ts";
import { takeRelease } from "./take-release.ts";
import { startWeb } from "./web.ts";

const names = ["attic", "cellar", "kitchen"];

/** Resolves once all know each other, to where each one's updater asks. */
async function startAll(home: Home, urlOf: (name: string) => string): Promise<(name: string) => string> {
  await Promise.all(names.map((name) => home.provision(name)));
  for (const name of names) await home.startAgent(name, { update: { repositories: [urlOf(name)] } });
  await eventually(
    async () => {
      for (const name of names) {
        const { members } = await home.status(name);
        expect(members.filter(({ state }) => state === "alive")).toHaveLength(3);
      }
    },
    { within: 20_000 },
  );
  return (name) => join(home.folder(name), "run/agent.sock");
}

test.skipIf(lacks("namespaces", "wireguard", "nft"))(
  "three members fetch a release once, and the one that the web does not reach gets it too",
  async () => {
    await using home = await makeNeighborhood(names);
    const web = await startWeb(home);
    const repository = makeRepository();
    const first = repository.publish(repository.makeRelease("1.0", { rootBytes: 300 * 4096 }));
    await web.put(repository);
    await home.on("cellar")(["ip", "route", "add", "unreachable", `${home.address("web")}/32`]);
    const socketOf = await startAll(home, () => web.url);
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

test.skipIf(lacks("namespaces", "wireguard", "nft", "ping"))(
  "two members without internet or DNS take a release and its metadata from a third, which loses no ping meanwhile",
  async () => {
    await using home = await makeNeighborhood(names);
    const web = await startWeb(home);
    const repository = makeRepository();
    const { root } = repository.publish(repository.makeRelease("1.0", { rootBytes: 4 << 20 }));
    await web.put(repository);
    const cut = ["cellar", "kitchen"];
    // Nothing beyond the link, and a repository whose name nobody tells them.
    for (const name of cut) {
      await home.on(name)(["ip", "route", "add", "unreachable", `${home.address("web")}/32`]);
      await home.on(name)(["ip", "route", "replace", "unreachable", "default"]);
    }
    const socketOf = await startAll(home, (name) => (cut.includes(name) ? "http://updates.invalid" : web.url));
    const { firstRoot } = repository;
    await takeRelease(socketOf("attic"), { firstRoot });

    const lender = await home.meshAddress("attic");
    const taking = new AbortController();
    const pings = cut.map(async (name) => {
      let [sent, received] = [0, 0];
      while (!taking.signal.aborted) {
        const said = await home.on(name)(["ping", "-6", "-c", "10", "-i", "0.1", "-W", "10", lender]).catch(String);
        const [, out, back] = /(\d+) packets transmitted, (\d+) received/.exec(said) ?? [];
        [sent, received] = [sent + Number(out), received + Number(back)];
      }
      return { sent, received };
    });
    const startedAt = performance.now();
    const taken = await Promise.all(cut.map((name) => takeRelease(socketOf(name), { firstRoot })));
    const seconds = (performance.now() - startedAt) / 1000;
    taking.abort();
    // What it found the newest release by came from the member too.
    for (const one of taken) {
      expect(one.root.equals(root)).toBe(true);
      expect(one.webBytes).toBe(0);
    }
    for (const { sent, received } of await Promise.all(pings)) {
      console.log(
        `${received} of ${sent} pings came back while two members took ${root.length} bytes each in ${seconds} s`,
      );
      expect(sent).toBeGreaterThan(0);
      expect(received).toBe(sent);
    }
  },
);
