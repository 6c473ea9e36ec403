// A neighborhood of real agents on a virtual LAN: its own root key and tokens, and the built agent on each host.

import { mkdir, rename, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { Status } from "../../agent/api/schema.ts";
import type { AgentConfig } from "../../agent/config.ts";
import { bundleProgram } from "../../cli/package/bundle.ts";
import { encodeProvisionFile, type ProvisionFile } from "../../provisioning/file/provision-file.ts";
import { makeStreet, makeTokenFile, type Street } from "../street.ts";
import type { Child } from "./child.ts";
import { type HostOptions, type Lan, makeLan } from "./lan.ts";

type DeepPartial<T> = { [K in keyof T]?: T[K] extends object ? DeepPartial<T[K]> : T[K] };
export type Home = Lan & {
  street: Street;
  /** Writes a provision file for a device without an identity; by default with the neighborhood's own token. */
  provision(name: string, over?: Partial<ProvisionFile>): Promise<void>;
  /** Writes the config of a host's agent; returns its path. */
  configure(name: string, config?: DeepPartial<AgentConfig>): Promise<string>;
  /** Starts or restarts a host's agent with the state in its folder. */
  startAgent(name: string, config?: DeepPartial<AgentConfig>, env?: Record<string, string>): Promise<Child>;
  /** Provisions these hosts and starts their agents. */
  startAgents(...names: string[]): Promise<Map<string, Child>>;
  agent(name: string): Child;
  status(name: string): Promise<Status>;
  /** As the agent says it, whatever its release. */
  rawStatus(name: string): Promise<unknown>;
  meshAddress(name: string): Promise<string>;
};

/** As in agent/units. */
const unitEnvironment = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_TRIM_THRESHOLD_: "65536",
  MALLOC_TOP_PAD_: "16384",
  MALLOC_MMAP_THRESHOLD_: "32768",
  UV_THREADPOOL_SIZE: "2",
};

export async function makeNeighborhood(
  names: string[],
  {
    agents: others = {},
    ...options
  }: HostOptions & { /** Hosts with another agent than this one. */ agents?: Record<string, string> } = {},
): Promise<Home> {
  const lan = await makeLan(names, options);
  const street = makeStreet();
  const token = await makeTokenFile(street);
  const agents = new Map<string, Child>();
  const bundle = await agentBundle();
  const home: Home = {
    ...lan,
    street,
    async provision(name, over = {}) {
      const file: ProvisionFile = { ...token, name, ...over };
      await mkdir(join(lan.folder(name), "state"), { recursive: true });
      await writeFile(join(lan.folder(name), "state/provision.json"), encodeProvisionFile(file));
    },
    async configure(name, config = {}) {
      const folder = lan.folder(name);
      const path = join(folder, "agent.json");
      await mkdir(folder, { recursive: true });
      const full = { ...config, stateFolder: join(folder, "state"), runtimeFolder: join(folder, "run") };
      await writeFile(path, JSON.stringify(full));
      return path;
    },
    async startAgent(name, config = {}, env = {}) {
      const path = await home.configure(name, config);
      const argv = [
        process.execPath,
        ...["--max-semi-space-size=1", "--optimize-for-size", "--lite-mode"], // as in agent/units
        others[name] ?? bundle,
        "--config",
        path,
      ] as const;
      const agent = lan.spawn(name, argv, { env: { ...unitEnvironment, ...env } });
      agents.set(name, agent);
      return agent;
    },
    async startAgents(...wanted) {
      await Promise.all(wanted.map((name) => home.provision(name)));
      for (const name of wanted) await home.startAgent(name);
      return agents;
    },
    agent(name) {
      const agent = agents.get(name);
      if (!agent) throw new Error(`no agent on ${name}`);
      return agent;
    },
    status: async (name) => Status.parse(await home.rawStatus(name)),
    rawStatus: async (name) => JSON.parse(await get(join(lan.folder(name), "run/agent.sock"), "/v1/status")),
    meshAddress: async (name) => (await home.status(name)).self.address ?? "",
    async [Symbol.asyncDispose]() {
      if (process.env["HAMLET_TEST_LOGS"]) {
        for (const [name, agent] of agents) console.log(`--- ${name}\n${agent.output()}`);
      }
      await lan[Symbol.asyncDispose]();
    },
  };
  return home;
}

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path, headers: { host: "localhost" }, timeout: 10_000 }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve(text)).on("error", reject);
    })
      .on("timeout", () => reject(new Error(`${socketPath} does not answer`)))
      .on("error", reject)
      .end();
  });
}

let built: Promise<string> | undefined;

/** Builds the agent into one file, as on a device: it starts three times as fast as from source. */
export function agentBundle(): Promise<string> {
  built ??= (async () => {
    // All runs share one place; rename the file into it, because a parallel run may be reading it.
    const folder = join(import.meta.dirname, "../../node_modules/.cache/hamlet-test");
    await mkdir(folder, { recursive: true });
    const [fresh, outfile] = [join(folder, `agent-${process.pid}.mjs`), join(folder, "agent.mjs")];
    await bundleProgram("agent/main.ts", fresh, "<!doctype html><title>Hamlet</title>");
    await bundleProgram("agent/telemetry/inventory-child.ts", join(folder, "inventory.mjs"), "");
    await rename(fresh, outfile);
    return outfile;
  })();
  return built;
}
