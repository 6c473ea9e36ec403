// Where root's one-shot finds and leaves things on a device. Tests hand it a folder of their own as `root`.
import { dirname, join } from "node:path";

/** Where root keeps what is its own, on a device. */
export const rootFolder = "/var/lib/hamlet/root";
/** Their owner's wishes: to move to the disk inside, to forget everything. Root alone can leave one there. */
export const wishNames = { install: "install.json", reset: "reset.json" } as const;

export type Paths = ReturnType<typeof pathsUnder>;

export const pathsUnder = (root: string, provisionFile = "/efi/hamlet/provision.json") => ({
  /** In the image's FAT partition. */
  provisionFile: join(root, provisionFile),
  /** The root folder of that partition, where Raspberry Pi Imager puts its files. */
  bootFolder: join(root, dirname(dirname(provisionFile))),
  cardReport: join(root, dirname(provisionFile), "report.txt"),
  /** Board and release of this image. */
  agentConfig: join(root, "/etc/hamlet/agent.json"),
  passwd: join(root, "/etc/passwd"),
  /** The agent's: it makes its identity from the second, and shows the third as a warning. */
  identity: join(root, "/var/lib/hamlet/agent/identity.json"),
  provision: join(root, "/var/lib/hamlet/agent/provision.json"),
  report: join(root, "/var/lib/hamlet/agent/firstboot.json"),
  agentFolder: join(root, "/var/lib/hamlet/agent"),
  systemFolder: join(root, "/var/lib/hamlet/system"),
  boardFacts: join(root, "/var/lib/hamlet/agent/board.json"),
  standing: join(root, "/var/lib/hamlet/agent/standing.json"),
  roster: join(root, "/var/lib/hamlet/agent/roster.json"),
  resetWish: join(root, rootFolder, wishNames.reset),
  installWish: join(root, rootFolder, wishNames.install),
  /** systemd takes it at each boot by the link /etc/hostname. */
  hostname: join(root, "/var/lib/hamlet/system/hostname"),
  kernelHostname: join(root, "/proc/sys/kernel/hostname"),
  /** Root's alone. */
  rootFolder: join(root, rootFolder),
  authorizedKeys: join(root, "/var/lib/hamlet/root/ssh/authorized_keys"),
  imager: join(root, "/var/lib/hamlet/root/imager.json"),
  networkFolder: join(root, "/var/lib/hamlet/root/network"),
  wpaSupplicant: join(root, "/var/lib/hamlet/root/wpa_supplicant.conf"),
  /** What systemd-networkd reads beside the image's own files; gone after a reboot. */
  runtimeNetwork: join(root, "/run/systemd/network"),
  /** The initrd's word that the data partition could not be mounted: what is kept now is gone after a reboot. */
  dataFailed: join(root, "/run/hamlet-disk/data-failed"),
  /** Names of the terminals that the kernel writes to. */
  activeConsoles: join(root, "/sys/class/tty/console/active"),
  dev: join(root, "/dev"),
  /** Of an identity that moves to another disk (moving.ts). */
  moving: join(root, "/var/lib/hamlet/root/moving.json"),
  hiddenAgent: join(root, "/var/lib/hamlet/root/moving-agent"),
  machineId: join(root, "/var/lib/hamlet/system/machine-id"),
  blocks: join(root, "/sys/block"),
  dmi: join(root, "/sys/class/dmi/id"),
  deviceTree: join(root, "/proc/device-tree"),
  links: join(root, "/sys/class/net"),
});
