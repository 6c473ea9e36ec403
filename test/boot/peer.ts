// A member of a lab's neighborhood that is a process of this computer, not a machine: the real agent in namespaces on the lab's LAN.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Status } from "../../agent/api/schema.ts";
import { hostArgv } from "../../image/lab/network/join.ts";
import type { LabClient } from "../../image/lab/supervisor/client.ts";
import { encodeProvisionFile } from "../../provisioning/file/provision-file.ts";
import { issueToken } from "../../provisioning/neighborhood/issue-token.ts";
import { openNeighborhood } from "../../provisioning/neighborhood/neighborhood.ts";
import type { Argv } from "../../system/command.ts";
import { ask } from "../../system/http/ask.ts";
import { eventually } from "../eventually.ts";
import { type Child, spawnIn } from "../net/child.ts";
import { agentBundle } from "../net/neighborhood.ts";

export type Peer = AsyncDisposable & {
  /** The folder of its identity and of all that it keeps. */
  state: string;
  status(): Promise<Status>;
  /** What it has printed. */
  output(): string;
  /** Starts a program on its network, which ends with this process. */
  spawn(argv: Argv): Child;
};

const dieWithUs = ["setpriv", "--pdeathsig", "KILL", "--"] as const;
const dayMs = 86_400_000;
/** As on a device: see agent/units. */
const nodeWords = ["--max-semi-space-size=1", "--optimize-for-size", "--lite-mode"];

/** Resolves when the peer and each device of the lab have met. */
export async function joinPeer(lab: LabClient, name: string): Promise<Peer> {
  const provision = encodeProvisionFile({ ...(await tokenOf(lab)), name });
  const peer = await startPeer(lab, (state) => writeFile(join(state, "provision.json"), provision));
  try {
    await eventually(() => hasMet(lab, peer), { within: 120_000, every: 500 });
    return peer;
  } catch (cause) {
    const told = peer.output().slice(-2_000);
    await peer[Symbol.asyncDispose]();
    throw new Error(`${name} meets no device; its last lines:\n${told}`, { cause });
  }
}

/** `fill` puts something into its state before it starts. */
export async function startPeer(lab: LabClient, fill: (state: string) => Promise<unknown>): Promise<Peer> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-peer-"));
  const [state, config] = [join(folder, "state"), join(folder, "agent.json")];
  await mkdir(state);
  await fill(state);
  await writeFile(config, JSON.stringify({ stateFolder: state, runtimeFolder: join(folder, "run") }));
  const agent = [process.execPath, ...nodeWords, await agentBundle(), "--config", config];
  // /sys shows the network that it was mounted in; in /run wireguard-go has a socket by the interface's name.
  const host = hostArgv(await lab.join(), [
    "sh",
    "-c",
    'mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run && exec "$@"',
    "sh",
    ...agent,
  ]);
  const child = spawnIn([...dieWithUs, ...host]);
  const status = async () => {
    const { body } = await ask(
      { socketPath: join(folder, "run/agent.sock") },
      { path: "/v1/status", deadlineMs: 10_000 },
    );
    return Status.parse(JSON.parse(body));
  };
  return {
    state,
    status,
    output: child.output,
    spawn: (argv) => spawnIn(["nsenter", "-t", `${child.pid()}`, "--net", "--", ...dieWithUs, ...argv]),
    async [Symbol.asyncDispose]() {
      await child.kill("SIGKILL");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A token of the lab's own neighborhood. */
export async function tokenOf({ folder }: LabClient) {
  const passphrase = await readFile(join(folder, "neighborhood.passphrase"), "utf8");
  const neighborhood = await openNeighborhood(join(folder, "neighborhood"), passphrase);
  const terms = { validMs: dayMs, maxDevices: 1, tags: [], adopt: "auto" as const, now: Date.now() };
  return (await issueToken(neighborhood, terms)).file;
}

/** Each device and the peer have each other alive, with a handshake. */
export async function hasMet(lab: LabClient, { status }: Peer): Promise<boolean> {
  const { members } = await status();
  const { devices } = await lab.status();
  const met = members.filter((one) => !one.isSelf && one.state === "alive" && one.handshakeAgeS !== undefined);
  return devices.every(({ id, handshakes }) => handshakes >= devices.length && met.some((one) => one.id === id));
}
