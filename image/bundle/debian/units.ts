// systemd units on a read-only root: which are enabled, and which never start.
import { type Entry, link } from "../archive.ts";

const systemFolder = "usr/lib/systemd/system";

/** Debian's units to enable, besides those that their packages enable. */
const enabled: [target: string, unit: string][] = [
  ["multi-user.target", "systemd-networkd.service"],
  ["sockets.target", "systemd-networkd.socket"],
  ["local-fs.target", "tmp.mount"],
];

/** Units that would write to the read-only root, index missing files, ask for a login, or mount unused file systems. */
export const masked = [
  "apt-daily.service",
  "apt-daily-upgrade.service",
  "console-getty.service",
  "cryptdisks.service",
  "cryptdisks-early.service",
  "debug-shell.service",
  "dev-hugepages.mount",
  "dev-mqueue.mount",
  "dpkg-db-backup.service",
  "e2scrub_reap.service",
  // A failed mount must not leave a device waiting for a keyboard that it does not have.
  "emergency.service",
  "emergency.target",
  "getty@.service",
  "getty-static.service",
  "ldconfig.service",
  // Drivers load with their hardware.
  "modprobe@dm_mod.service",
  "modprobe@drm.service",
  "modprobe@loop.service",
  "nftables.service",
  "proc-sys-fs-binfmt_misc.automount",
  "rescue.service",
  "rescue.target",
  "serial-getty@.service",
  "sys-fs-fuse-connections.mount",
  "sys-kernel-config.mount",
  "sys-kernel-debug.mount",
  "sys-kernel-tracing.mount",
  "systemd-ask-password-console.path",
  "systemd-ask-password-wall.path",
  "systemd-binfmt.service",
  // Boot control commits a new slot, not boot-complete.target.
  "systemd-bless-boot.service",
  "systemd-boot-system-token.service",
  "systemd-boot-update.service",
  "systemd-firstboot.service",
  "systemd-hwdb-update.service",
  "systemd-initctl.socket",
  "systemd-journal-catalog-update.service",
  "systemd-journal-flush.service",
  "systemd-journald-audit.socket",
  "systemd-machine-id-commit.service",
  "systemd-modules-load.service",
  "systemd-networkd-wait-online.service",
  "systemd-pcrphase-sysinit.service",
  "systemd-pcrphase.service",
  "systemd-random-seed.service",
  "systemd-remount-fs.service",
  "systemd-repart.service",
  "systemd-sysusers.service",
  "systemd-update-done.service",
  "systemd-update-utmp.service",
  "systemd-update-utmp-runlevel.service",
];
/** Generators delay every boot; the files and kernel arguments that these look for never exist here. */
export const maskedGenerators = [
  "systemd-bless-boot-generator",
  "systemd-cryptsetup-generator",
  "systemd-debug-generator",
  "systemd-fstab-generator",
  "systemd-getty-generator",
  "systemd-gpt-auto-generator",
  "systemd-hibernate-resume-generator",
  "systemd-integritysetup-generator",
  "systemd-rc-local-generator",
  "systemd-run-generator",
  "systemd-system-update-generator",
  "systemd-sysv-generator",
  "systemd-veritysetup-generator",
];

/** The links that `systemctl enable` would make. */
export const unitLinks = (): Entry[] => [
  link("etc/systemd/system/default.target", `/${systemFolder}/multi-user.target`),
  link(`${systemFolder}/tmp.mount`, "/usr/share/systemd/tmp.mount"),
  ...enabled.map(([target, unit]) => link(`${systemFolder}/${target}.wants/${unit}`, `../${unit}`)),
  ...masked.map((unit) => link(`etc/systemd/system/${unit}`, "/dev/null")),
  ...maskedGenerators.map((name) => link(`etc/systemd/system-generators/${name}`, "/dev/null")),
];

/** The same for one of our units, from its `[Install]` section. */
export function installLinks(unit: string, text: string): Entry[] {
  const install = text.split(/^\[Install\]$/m)[1] ?? "";
  return [...install.matchAll(/^(WantedBy|RequiredBy)=(.*)$/gm)].flatMap(([, verb, targets = ""]) =>
    targets
      .trim()
      .split(/\s+/)
      .map((target) => {
        const folder = `${systemFolder}/${target}.${verb === "WantedBy" ? "wants" : "requires"}`;
        return link(`${folder}/${unit}`, `../${unit}`);
      }),
  );
}
