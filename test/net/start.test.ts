// An agent that cannot start its mesh reports the cause on its page and API, and continues by itself once the cause is gone.
import { expect, test } from "vitest";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { makeNeighborhood } from "./neighborhood.ts";

const occupy = (code: string) =>
  [process.execPath, "-e", `${code}; setInterval(() => {}, 1000); console.log("taken")`] as const;

const fetchText = (url: string) => `fetch("${url}").then((answer) => answer.text()).then(console.log)`;

test.skipIf(lacks("namespaces", "wireguard", "nft"))(
  "a taken WireGuard port raises a warning with a next step until the port is free",
  async () => {
    await using home = await makeNeighborhood(["attic", "cellar"]);
    const occupant = home.spawn("attic", [...occupy('require("node:dgram").createSocket("udp4").bind(51820)')]);
    await occupant.says(/taken/);
    await home.startAgents("attic", "cellar");
    const told = await eventually(async () => {
      const warning = (await home.status("attic")).warnings.find(({ code }) => code === "start.failed");
      expect(warning).toBeDefined();
      return warning!;
    });
    expect(told.message).toMatch(/51820/);
    expect(told.hint).toMatch(/listenPort/);
    const page = await home.on("cellar")([
      process.execPath,
      "-e",
      fetchText(`http://${home.address("attic")}/v1/status`),
    ]);
    expect(JSON.parse(page)).toMatchObject({
      phase: "pending",
      warnings: expect.arrayContaining([expect.objectContaining({ code: "start.failed" })]),
    });
    await occupant.kill("SIGKILL");
    await eventually(
      async () => {
        const { members, warnings } = await home.status("attic");
        expect(members.filter(({ state }) => state === "alive")).toHaveLength(2);
        expect(warnings.map(({ code }) => code)).not.toContain("start.failed");
      },
      { within: 25_000, every: 300 },
    );
  },
);
