// Adds a host to the lab's LAN: runs a command of this computer in new namespaces, with a network card on the hub. Needs no root
// where user namespaces are allowed. Everything in it ends with its first process, which ends with this one.
import { basename, dirname } from "node:path";
import { HamletError } from "../../../system/error.ts";
import { programFile } from "../../../system/package.ts";
import { type Argv, startProgram } from "../../../system/program.ts";

/** `socket`: of the hub. `address` has a prefix: "10.77.0.200/24". `mac`: default, one by chance. */
export type JoinPort = { socket: string; address: string; mac?: string };
export type JoinSpec = JoinPort & {
  /** The hub's socket is relative to it. */
  folder: string;
  argv: string[];
};

/** The command line of a host that runs `argv`. */
export function hostArgv(port: JoinPort, argv: string[]): Argv {
  const spec: JoinSpec = { ...port, folder: dirname(port.socket), socket: basename(port.socket), argv };
  const inside = programFile("join-inside.mjs", "image/lab/network/join-inside.ts");
  // Root needs no user namespace, and without one programs can still switch to their own users.
  const asUser = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  return [
    ...(["unshare", ...asUser, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"] as const),
    ...[process.execPath, inside, JSON.stringify(spec)],
  ];
}

/** Runs `argv` there, on this process's terminal, at most until `over`; returns its exit code. */
export function joinLan(
  port: JoinPort,
  argv: string[],
  over: Promise<unknown> = new Promise(() => {}),
): Promise<number> {
  const onTerminal = { stdin: "inherit", stdout: "inherit", stderr: "inherit", onOurDeath: "KILL" } as const;
  const host = startProgram(hostArgv(port, argv), onTerminal);
  // The terminal sends Ctrl-C to the command too; let it decide.
  const ignore = () => {};
  const stop = () => host.kill("SIGKILL");
  process.on("SIGINT", ignore).on("SIGTERM", stop).on("SIGHUP", stop);
  over.then(stop, stop);
  return host.end
    .then(
      ({ code }) => code,
      (cause) => {
        throw new HamletError("lab.joinFailed", "cannot start unshare", { cause, hint: "install util-linux" });
      },
    )
    .finally(() => process.off("SIGINT", ignore).off("SIGTERM", stop).off("SIGHUP", stop));
}
