// Starts avahi, an independent mDNS implementation, on a host of the LAN, as on a desktop computer.
import type { Lan } from "./lan.ts";

export async function startAvahi(lan: Lan, host: string): Promise<void> {
  await lan.on(host)(["mkdir", "-p", "/run/dbus", "/run/avahi-daemon"]);
  await lan.on(host)(["chown", "avahi:avahi", "/run/avahi-daemon"]);
  await lan.on(host)(["dbus-daemon", "--system", "--fork"]);
  const daemon = lan.spawn(host, ["avahi-daemon", "--no-rlimits", "--no-drop-root", "--no-chroot"]);
  await daemon.says(/Server startup complete/);
}
