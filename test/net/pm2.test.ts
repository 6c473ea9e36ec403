// The agent on an existing Linux machine: runs the README's two commands, build and pm2, in a namespace.
import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import type { Status } from "../../agent/api/schema.ts";
import { run } from "../../system/command.ts";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { slowness } from "../speed.ts";
import { makeNeighborhood } from "./neighborhood.ts";

const project = join(import.meta.dirname, "../..");
const bin = (name: string) => join(project, "node_modules/.bin", name);

test.skipIf(lacks("namespaces", "wireguard", "nft"))(
  "pm2 keeps the agent running on a machine without our image",
  async () => {
    execFileSync(process.execPath, [join(project, "cli/package/build.ts")]);
    await using home = await makeNeighborhood(["attic", "cellar"]);
    await home.startAgents("cellar");
    await home.provision("attic");
    const folder = home.folder("attic");
    const env = { PM2_HOME: join(folder, "pm2"), HAMLET_CONFIG: await home.configure("attic"), HOME: folder };
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
    } catch (cause) {
      const told = await pm2("logs", "hamlet", "--nostream", "--lines", "60").catch(String);
      throw new Error(`pm2 told:\n${told}`, { cause });
    } finally {
      await pm2("kill").catch(() => {});
    }
  },
);

test.skipIf(lacks("namespaces")).each(["My Projects", 'it\'s "$HOME" `id` (1) & a;b, 100%', "node@24 python ü"])(
  "pm2-space: pm2 starts the agent from a checkout in %s, with the config that HAMLET_CONFIG names",
  async (name) => {
    const home = await mkdtemp(join(tmpdir(), "hamlet-pm2-"));
    const checkout = join(await realpath(home), name, "hamlet");
    const config = join(home, name, "my agent.json");
    const pm2 = (...args: string[]) =>
      run(["unshare", "--net", process.execPath, join(checkout, "node_modules/pm2/bin/pm2"), ...args], {
        env: { PM2_HOME: join(home, "pm2"), HOME: home, HAMLET_CONFIG: relative(checkout, config) },
        cwd: checkout,
        timeoutMs: 60_000 * slowness(),
      });
    try {
      await mkdir(join(checkout, "dist"), { recursive: true });
      await cp(join(project, "agent/ecosystem.config.cjs"), join(checkout, "agent/ecosystem.config.cjs"));
      await symlink(join(project, "node_modules"), join(checkout, "node_modules"));
      const told = join(home, "told.json");
      await writeFile(
        join(checkout, "dist/agent.mjs"),
        `import { writeFileSync } from "node:fs";
        writeFileSync(${JSON.stringify(told)}, JSON.stringify([...process.argv.slice(1), ...process.execArgv]));
        setInterval(() => {}, 1000);`,
      );
      await pm2("start", "agent/ecosystem.config.cjs");
      const flags = ["--max-semi-space-size=1", "--optimize-for-size", "--lite-mode"];
      await eventually(
        async () =>
          expect(JSON.parse(await readFile(told, "utf8"))).toEqual([
            join(checkout, "dist/agent.mjs"),
            "--config",
            config,
            ...flags,
          ]),
        { within: 20_000 },
      );
    } finally {
      await pm2("kill").catch(() => {});
      await rm(home, { recursive: true, force: true });
    }
  },
);
