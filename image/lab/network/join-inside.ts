// The first process in a joined host's namespaces: makes the network card and runs the command. Everything ends with it.
import { basename } from "node:path";
import { run } from "../../../system/command.ts";
import { describeError, HamletError } from "../../../system/error.ts";
import { printableLines } from "../../../system/printable.ts";
import { type Argv, startDaemon, startProgram } from "../../../system/program.ts";
import { startAvahi } from "./avahi.ts";
import type { JoinSpec } from "./join.ts";

/** The name in `ip link`. */
const card = "lan0";

const spec = JSON.parse(process.argv[2] ?? "") as JoinSpec;
try {
  await makeCard(spec);
  if (basename(spec.argv[0] ?? "").startsWith("avahi-")) await startAvahi(card);
  process.exit(await runCommand(spec.argv));
} catch (error) {
  for (const line of printableLines(`hamlet: ${describeError(error)}`)) console.error(line);
  process.exit(1);
}

/** A QEMU without a machine connects the hub's socket to a TAP device, so no other program is needed. */
async function makeCard({ folder, socket, address, mac }: JoinSpec): Promise<void> {
  await startDaemon(
    [
      "qemu-system-x86_64",
      ...["-machine", "none", "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none"],
      ...["-netdev", `tap,id=card,ifname=${card},script=no,downscript=no,vnet_hdr=off`],
      ...["-netdev", `stream,id=lan,server=off,addr.type=unix,addr.path=${socket}`],
      ...["-netdev", "hubport,id=near,hubid=0,netdev=card", "-netdev", "hubport,id=far,hubid=0,netdev=lan"],
    ],
    { cwd: folder, isReady: hasCard },
  ).catch((cause: Error) => {
    throw new HamletError("lab.joinFailed", `no network card on the lab's LAN: ${cause.message}`, {
      hint: "TAP devices need /dev/net/tun, and user namespaces unless you are root",
      cause,
    });
  });
  await run(["ip", "link", "set", "lo", "up"]);
  await run(["ip", "address", "add", address, "dev", card]);
  if (mac !== undefined) await run(["ip", "link", "set", card, "address", mac]);
  await run(["ip", "link", "set", card, "up"]);
}

/** Asks the kernel, because /sys still shows the outer namespace. */
async function hasCard(): Promise<boolean> {
  return run(["ip", "link", "show", "dev", card]).then(
    () => true,
    () => false,
  );
}

async function runCommand(argv: string[]): Promise<number> {
  const onTerminal = { stdin: "inherit", stdout: "inherit", stderr: "inherit" } as const;
  return (await startProgram(argv as unknown as Argv, onTerminal).exit).code;
}
