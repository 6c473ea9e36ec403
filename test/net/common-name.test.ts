// A desktop computer on the same LAN resolves `hamlet.local`.
import { expect, test } from "vitest";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { startAvahi } from "./avahi.ts";
import { makeNeighborhood } from "./neighborhood.ts";

test.skipIf(lacks("namespaces", "wireguard", "nft", "avahi-daemon", "avahi-browse", "dbus-daemon"))(
  "hamlet.local resolves to the live member with the lowest id, and to the next one when that member is gone",
  async () => {
    const names = ["attic", "cellar"];
    await using home = await makeNeighborhood([...names, "laptop"]);
    await home.startAgents(...names);
    const members = await eventually(
      async () => {
        const { members } = await home.status("attic");
        expect(members.filter(({ state }) => state === "alive")).toHaveLength(2);
        return members.toSorted((a, b) => (a.id < b.id ? -1 : 1));
      },
      { within: 15_000 },
    );
    await startAvahi(home, "laptop");
    const resolve = () => home.on("laptop")(["avahi-resolve", "-4", "-n", "hamlet.local"], { timeoutMs: 8_000 });
    const [first, second] = members.map(({ name }) => name) as [string, string];
    await eventually(async () => expect(await resolve()).toContain(home.address(first)), { within: 15_000 });
    await home.removeHost(first);
    await eventually(async () => expect(await resolve()).toContain(home.address(second)), {
      within: 30_000,
      every: 1_000,
    });
  },
);
