// Starts a private D-Bus and Avahi for a joined host, on a private /run, so that avahi-browse and similar programs see the lab's
// LAN, not the computer's.
import { mkdir, writeFile } from "node:fs/promises";
import { sleep } from "../../../system/clock.ts";
import { run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import { type Argv, startDaemon, startProgram } from "../../../system/program.ts";
import { isListening } from "../../../system/unix-socket.ts";

const busSocket = "/run/dbus/system_bus_socket";
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=${busSocket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>
`;
const avahiConfig = (card: string) => `[server]
allow-interfaces=${card}
use-ipv4=yes
use-ipv6=yes
[wide-area]
enable-wide-area=no
[publish]
disable-publishing=yes
`;
/** A user namespace made without root has one user. Both daemons look up their own users, so map all of them to that one. */
const names = { passwd: ["root", "avahi", "messagebus"], group: ["root", "avahi", "messagebus", "netdev"] };
const usersOf = (kind: keyof typeof names): string =>
  names[kind].map((name) => (kind === "passwd" ? `${name}:x:0:0::/:/bin/sh\n` : `${name}:x:0:\n`)).join("");

/**
 * avahi-browse -t ends a second after its query, but an emulated device may take longer to answer. So query first, and let the
 * answers wait in Avahi's cache.
 */
const warmUpMs = 4_000;

/** Mounts over /run and the user database, in our own namespaces only. */
export async function startAvahi(card: string): Promise<void> {
  await run(["mount", "-t", "tmpfs", "-o", "mode=755", "hamlet-run", "/run"]);
  for (const kind of ["passwd", "group"] as const) {
    await writeFile(`/run/${kind}`, usersOf(kind));
    await run(["mount", "--bind", `/run/${kind}`, `/etc/${kind}`]);
  }
  await mkdir("/run/dbus");
  await mkdir("/run/avahi-daemon");
  await writeFile("/run/dbus.conf", busConfig);
  await writeFile("/run/avahi.conf", avahiConfig(card));
  await start(["dbus-daemon", "--nofork", "--nopidfile", "--config-file=/run/dbus.conf"], busSocket);
  await start(
    ["avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits", "--no-proc-title", "-f", "/run/avahi.conf"],
    "/run/avahi-daemon/socket",
  );
  const browse = startProgram(["avahi-browse", "-arp"]);
  await sleep(warmUpMs);
  browse.kill();
}

/** Starts a daemon and resolves when it listens. */
async function start(argv: Argv, socket: string): Promise<void> {
  await startDaemon(argv, { isReady: () => isListening(socket) }).catch((cause: Error) => {
    throw new HamletError("lab.joinFailed", cause.message, {
      hint: "install avahi-daemon and dbus; the lab runs its own instances",
      cause,
    });
  });
}
