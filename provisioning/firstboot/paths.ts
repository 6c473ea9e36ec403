// Where root's programs find and leave things on a device. Tests pass a folder of their own as `root`.
import { dirname, join } from "node:path";
import { updateFiles } from "../file/update-source.ts";
import { agentFilesIn, resetFilesFor } from "../handover/agent-files.ts";
import { requestNames } from "../handover/requests.ts";

/** Root's own folder on a device. */
export const rootFolder = "/var/lib/hamlet/root";
const agentFolder = "/var/lib/hamlet/agent";
const systemFolder = "/var/lib/hamlet/system";

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

  agentFolder: join(root, agentFolder),
  ...agentFilesIn(join(root, agentFolder)),

  systemFolder: join(root, systemFolder),
  /** systemd takes it at each boot by the link /etc/hostname. */
  hostname: join(root, systemFolder, "hostname"),
  timezone: join(root, systemFolder, "timezone"),
  machineId: join(root, systemFolder, "machine-id"),
  kernelHostname: join(root, "/proc/sys/kernel/hostname"),

  rootFolder: join(root, rootFolder),
  resetRequest: join(root, rootFolder, requestNames.reset),
  installRequest: join(root, rootFolder, requestNames.install),
  updateRequest: join(root, rootFolder, requestNames.update),
  /** The neighborhood of the provision file, and the id by which this device is known since (owner.ts). */
  owner: join(root, rootFolder, "neighborhood.json"),
  ownId: join(root, rootFolder, "own-id.json"),
  /** Of a reset over the link (asked.ts): gone after a restart, as is the time by which root judges it. */
  reset: resetFilesFor(join(root, "/run/hamlet"), root),
  resetNonce: join(root, "/run/hamlet-reset/nonce.json"),
  authorizedKeys: join(root, rootFolder, "ssh/authorized_keys"),
  sshHostKey: join(root, rootFolder, "ssh/ssh_host_ed25519_key"),
  /** Of which device this one was a copy, once what it had of that one's is gone. */
  copied: join(root, rootFolder, "copied.json"),
  imager: join(root, rootFolder, "imager.json"),
  /** The updater's state. */
  updateFolder: join(root, rootFolder, "update"),
  /** What boot control notes of a trial. */
  bootRecord: join(root, rootFolder, "boot.json"),
  /** In place of the image's own. */
  releaseRoot: join(root, rootFolder, "update", updateFiles.releaseRoot),
  /** The lowest versions that the updater accepts: of this hardware, whoever owns it. */
  updateFloors: join(root, rootFolder, "update/floors.json"),
  networkFolder: join(root, rootFolder, "network"),
  wpaSupplicant: join(root, rootFolder, "wpa_supplicant.conf"),
  /** Of an identity that moves to another disk (move.ts). */
  moving: join(root, rootFolder, "moving.json"),
  hiddenAgent: join(root, rootFolder, "moving-agent"),

  /** systemd-networkd reads it beside the image's own files; gone after a reboot. */
  runtimeNetwork: join(root, "/run/systemd/network"),
  /** The initrd makes it when the data partition does not mount: what is stored then is gone after a reboot. */
  dataFailed: join(root, "/run/hamlet-disk/data-failed"),
  /** Names of the terminals that the kernel writes to. */
  activeConsoles: join(root, "/sys/class/tty/console/active"),
  dev: join(root, "/dev"),
  blocks: join(root, "/sys/block"),
  dmi: join(root, "/sys/class/dmi/id"),
  deviceTree: join(root, "/proc/device-tree"),
  links: join(root, "/sys/class/net"),
  pciDevices: join(root, "/sys/bus/pci/devices"),
});
