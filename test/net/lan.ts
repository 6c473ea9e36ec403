// A LAN without hardware: each host is a set of namespaces (network, mounts, processes), and so is the switch between them.
// A set lives as long as one process that reads our pipe. When the test run ends, for any reason, the pipe closes, that
// process exits, and the kernel removes everything of the host. The namespaces have no names, so nothing needs cleaning up.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Argv, type Run, run } from "../../system/command.ts";
import { slowness } from "../speed.ts";
import { type Child, spawnIn } from "./child.ts";

export type HostOptions = {
  /** Default true. Without it the host can reach its own network only. */
  defaultRoute?: boolean;
  /** Default true. Without it the link has only its IPv6 link-local address. */
  ipv4?: boolean;
};
type Host = HostOptions & { anchor: ChildProcess; pid: number; address: string; port: string; children: Child[] };

const prefix = "192.168.77";
/** Long enough to start Node on a busy machine. */
const defaultTimeoutMs = 30_000;

export type Lan = AsyncDisposable & {
  /** Runs a program on a host, which has its own /run, /tmp and processes. `timeoutMs` is for an idle machine. */
  on(name: string): Run;
  /** Starts a long-running program, which ends with the LAN. */
  spawn(name: string, argv: Argv, options?: { env?: Record<string, string>; cwd?: string }): Child;
  addHost(name: string, options?: HostOptions): Promise<void>;
  /** Kills everything on the host at once, as if its plug were pulled. Its folder stays. */
  removeHost(name: string): Promise<void>;
  /** The host's IPv4 address, or its link-local address with scope if it has none. */
  address(name: string): string;
  linkLocal(name: string): Promise<string>;
  /** Pulls the cable out of the switch: the host's end loses its carrier too. */
  cut(name: string): Promise<void>;
  restore(name: string): Promise<void>;
  /** Removes the network card and puts it back: same name and addresses, but a new interface. */
  replug(name: string): Promise<void>;
  /** A folder outside the namespaces that has the same path inside. */
  folder(name: string): string;
  /** Runs a program on the switch: `tc`, `tcpdump`, `bridge`. `portOf` names a host's port there. */
  onSwitch: Run;
  portOf(name: string): string;
};

export async function makeLan(names: string[], options: HostOptions = {}): Promise<Lan> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-lan-"));
  const hosts = new Map<string, Host>();
  const anchors: ChildProcess[] = [];
  let number = 10;
  let switchPid = 0;

  const makeAnchor = async () => {
    const { anchor, pid } = await startAnchor(folder);
    anchors.push(anchor);
    return { anchor, pid };
  };
  const find = (name: string): Host => {
    const host = hosts.get(name);
    if (!host) throw new Error(`no host ${name} on this LAN`);
    return host;
  };
  const enter = (pid: number): Run => {
    return (argv, runOptions = {}) => {
      const timeoutMs = (runOptions.timeoutMs ?? defaultTimeoutMs) * slowness();
      return run(["nsenter", ...enterArgs(pid), ...argv], { ...runOptions, timeoutMs });
    };
  };
  const setPort = (name: string, state: "up" | "down") =>
    enter(switchPid)(["ip", "link", "set", find(name).port, state]).then(() => {});

  const plug = async ({ pid, port, address, ipv4 = true, defaultRoute = true }: Host) => {
    const ends = [port, "netns", `${switchPid}`, "type", "veth", "peer", "name", "eth0", "netns", `${pid}`];
    await run(["ip", "link", "add", ...ends, "address", macOf(Number(port.slice(4)))]);
    await batch(enter(switchPid), [`link set ${port} master br0 up`]);
    await batch(enter(pid), [
      "link set lo up",
      ...(ipv4 ? [`addr add ${address}/24 dev eth0`] : []),
      "link set eth0 up",
      ...(ipv4 && defaultRoute ? [`route add default via ${prefix}.1`] : []),
    ]);
  };

  const lan: Lan = {
    on: (name) => enter(find(name).pid),
    spawn(name, argv, spawnOptions) {
      const host = find(name);
      const child = spawnIn(["nsenter", ...enterArgs(host.pid), ...argv], spawnOptions);
      host.children.push(child);
      return child;
    },
    async addHost(name, hostOptions = {}) {
      if (hosts.has(name)) throw new Error(`${name} is on this LAN already`);
      const { anchor, pid } = await makeAnchor();
      number += 1;
      const host: Host = {
        anchor,
        pid,
        address: `${prefix}.${number}`,
        port: `port${number}`,
        children: [],
        ...options,
        ...hostOptions,
      };
      hosts.set(name, host);
      await run(["mkdir", "-p", join(folder, name)]);
      await plug(host);
    },
    async removeHost(name) {
      const host = find(name);
      hosts.delete(name);
      await endAnchor(host.anchor);
      await Promise.all(host.children.map((child) => child.ended));
    },
    address: (name) => (find(name).ipv4 === false ? "" : find(name).address),
    async linkLocal(name) {
      const shown = await lan.on(name)(["ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "link"]);
      return `${/inet6 (fe80::[0-9a-f:]+)/.exec(shown)?.[1]}%eth0`;
    },
    cut: (name) => setPort(name, "down"),
    restore: (name) => setPort(name, "up"),
    async replug(name) {
      await enter(switchPid)(["ip", "link", "del", find(name).port]);
      await plug(find(name));
    },
    folder: (name) => join(folder, name),
    onSwitch: (argv, runOptions) => enter(switchPid)(argv, runOptions),
    portOf: (name) => find(name).port,
    async [Symbol.asyncDispose]() {
      const children = [...hosts.values()].flatMap((host) => host.children);
      await Promise.all(anchors.map(endAnchor));
      await Promise.all(children.map((child) => child.ended));
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    switchPid = (await makeAnchor()).pid;
    await batch(enter(switchPid), [
      "link set lo up",
      // Snooping needs a querier on the LAN; without one it would drop the multicast under test.
      "link add br0 type bridge mcast_snooping 0 forward_delay 0",
      `addr add ${prefix}.1/24 dev br0`,
      "link set br0 up",
    ]);
    for (const name of names) await lan.addHost(name);
    return lan;
  } catch (error) {
    await lan[Symbol.asyncDispose]();
    throw error;
  }
}

// setpriv makes a program inside exit when nsenter does, so that a timeout outside ends it.
const enterArgs = (pid: number): string[] => [
  ...["-t", `${pid}`, "--net", "--mount", "--pid", "--uts", "--ipc", "--"],
  ...["setpriv", "--pdeathsig", "KILL", "--"],
];
const macOf = (number: number) => `02:77:00:00:00:${number.toString(16).padStart(2, "0")}`;
const batch = (enter: Run, lines: string[]) => enter(["ip", "-batch", "-"], { input: `${lines.join("\n")}\n` });

async function startAnchor(folder: string): Promise<{ anchor: ChildProcess; pid: number }> {
  // Duplicate address detection would block a new link-local address for a second or two.
  const script = `
    set -e
    mount -t sysfs sysfs /sys
    mount -t tmpfs tmpfs /run
    echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
    echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad
    echo ready
    exec cat`;
  const anchor = spawn(
    "unshare",
    ["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=KILL", "--mount-proc", "sh", "-c", script],
    { stdio: ["pipe", "pipe", "pipe"], cwd: folder },
  );
  let told = "";
  anchor.stderr.setEncoding("utf8").on("data", (text: string) => (told += text));
  await new Promise<void>((resolve, reject) => {
    anchor.stdout.once("data", () => resolve());
    anchor.once("error", reject);
    anchor.once("exit", (code) => reject(new Error(`a host did not start (${code}): ${told}`)));
  });
  const children = await readFile(`/proc/${anchor.pid}/task/${anchor.pid}/children`, "utf8");
  return { anchor, pid: Number(children.trim().split(" ")[0]) };
}

async function endAnchor(anchor: ChildProcess): Promise<void> {
  if (anchor.exitCode !== null || anchor.signalCode !== null) return;
  const ended = new Promise((resolve) => anchor.once("exit", resolve));
  anchor.kill("SIGKILL");
  await ended;
}
