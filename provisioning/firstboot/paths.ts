// Where root's one-shot finds and leaves things on a device. Tests hand it a folder of their own as `root`.
import { dirname, join } from "node:path";
import { agentFilesIn } from "../handover/agent-files.ts";
import { requestNames } from "../handover/requests.ts";

/** Where root keeps what is its own, on a device. */
export const rootFolder = "/var/lib/hamlet/root";

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
  ...agentFilesIn(join(root, "/var/lib/hamlet/agent")),
  agentFolder: join(root, "/var/lib/hamlet/agent"),
  systemFolder: join(root, "/var/lib/hamlet/system"),
  resetRequest: join(root, rootFolder, requestNames.reset),
  installRequest: join(root, rootFolder, requestNames.install),
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
