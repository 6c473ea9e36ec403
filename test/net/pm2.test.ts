// The agent on an existing Linux machine: the README's two commands, build and pm2, in a namespace.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Status } from "../../agent/status.ts";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { makeNeighborhood } from "./neighborhood.ts";

const project = join(import.meta.dirname, "../..");
const bin = (name: string) => join(project, "node_modules/.bin", name);

test.skipIf(lacks("namespaces", "wireguard", "nft"))(
  "pm2 keeps the agent of a machine without our image running",
  async () => {
    execFileSync(process.execPath, [join(project, "cli/build.ts")]);
    await using home = await makeNeighborhood(["attic", "cellar"]);
    await home.startAgents("cellar");
    await home.provision("attic");
    // Starting and stopping writes attic's config; from here on pm2 runs what it names.
    await (await home.startAgent("attic")).kill("SIGKILL");
    const folder = home.folder("attic");
    const env = { PM2_HOME: join(folder, "pm2"), HAMLET_CONFIG: join(folder, "agent.json"), HOME: folder };
    const pm2 = (...args: string[]) =>
      home.on("attic")([process.execPath, bin("pm2"), ...args], { env, timeoutMs: 60_000 });
    const isMember = (status: Status) => status.members.filter(({ state }) => state === "alive").length === 2;
    try {
      await pm2("start", join(project, "agent/ecosystem.config.cjs"));
      await eventually(async () => expect(isMember(await home.status("attic"))).toBe(true), { within: 20_000 });
      const before = await pm2("pid", "hamlet");
      await home.on("attic")(["kill", "-9", before.trim()]);
      await eventually(
        async () => {
          expect((await pm2("pid", "hamlet")).trim()).not.toBe(before.trim());
          expect(isMember(await home.status("attic"))).toBe(true);
        },
        { within: 20_000, every: 500 },
      );
    } finally {
      await pm2("kill").catch(() => {});
    }
  },
);
