// Lists this computer's drives from the output of `lsblk`, with the reason if one must not be written. Finds the system's own
// disks through partitions, LUKS, LVM and RAID.
// Pure.
import { z } from "zod";
import type { ErrorCode } from "../../system/error.ts";
import { HamletError } from "../../system/error.ts";
import { explainIssues, parseJson } from "../../system/files.ts";

/** Columns that util-linux of Debian 10 and later knows. */
export const lsblkColumns =
  "NAME,PATH,MAJ:MIN,TYPE,SIZE,MODEL,VENDOR,SERIAL,WWN,TRAN,RM,HOTPLUG,RO,FSTYPE,LABEL,PARTLABEL,UUID,MOUNTPOINT";

const Flag = z.union([z.boolean(), z.enum(["0", "1"]).transform((text) => text === "1")]);
const Text = z
  .string()
  .nullish()
  .transform((text) => text?.trim() || undefined);
const Node = z.object({
  name: z.string(),
  path: z.string(),
  "maj:min": z.string().transform((text) => text.trim()),
  type: z.string(),
  size: z.coerce
    .number()
    .nullable()
    .transform((size) => size ?? 0),
  model: Text,
  vendor: Text,
  serial: Text,
  wwn: Text,
  tran: Text,
  rm: Flag,
  hotplug: Flag,
  ro: Flag,
  fstype: Text,
  label: Text,
  partlabel: Text,
  uuid: Text,
  mountpoint: Text,
  get children() {
    return z.array(Node).optional();
  },
});
type Node = z.infer<typeof Node>;
const Lsblk = z.object({ blockdevices: z.array(Node) });

type Obstacle = { code: Extract<ErrorCode, `flash.${string}`>; message: string; hint: string };
export type Drive = {
  path: string;
  sizeBytes: number;
  model: string;
  bus: string;
  isRemovable: boolean;
  /** `sdb1 vfat "boot"`: for a person to recognise it. */
  contents: string[];
  /** Distinguish it from another drive of its model: serial number, world-wide name, UUIDs of its content. */
  marks: string[];
  /** Why it must not be written, if so. */
  refused?: Obstacle;
  /** Paths of every device on it, itself included. */
  nodes: string[];
};

/** A system that loses one of these stops. Live systems keep theirs under `/run`. */
const systemPlaces = /^\/((usr|etc|var|home|nix|opt|root|boot|efi|run\/(live|initramfs|hamlet)[^/]*)(\/|$)|$)/;
const isSystemPlace = (place: string) => place === "[SWAP]" || systemPlaces.test(place);

/** `lsblk` is its JSON, `mountinfo` the text of /proc/self/mountinfo. Throws `flash.unsupported`. */
export function readDrives(lsblk: string, mountinfo: string): Drive[] {
  const parsed = Lsblk.safeParse(parseJson(lsblk));
  if (!parsed.success) {
    throw new HamletError("flash.unsupported", `the output of lsblk is not valid: ${explainIssues(parsed.error)}`);
  }
  const nodes = parsed.data.blockdevices;
  const mounts = alsoOnTheirOtherDisks(
    readMounts(mountinfo),
    nodes.flatMap((node) => [node, ...descendants(node)]),
  );
  return nodes
    .filter(isDrive)
    .map((node) => driveOf(node, mounts))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Skips memory, floppies and discs, and read-only loop devices of packages. */
function isDrive({ name, type, ro, size }: Node): boolean {
  if (/^(zram|ram|fd|sr|nbd|dm-|md)/.test(name)) return false;
  if (type === "loop") return !ro && size > 0;
  // The partitions of an eMMC for boot loader and keys.
  return type === "disk" && !/^mmcblk\d+(boot\d+|rpmb)$/.test(name);
}

function driveOf(disk: Node, mounts: readonly Mount[]): Drive {
  const above = descendants(disk);
  const all = [disk, ...above];
  const places = all.flatMap((node) => placesOf(node, mounts).map((place) => ({ node, place })));
  const refused = poolObstacleOf(disk, all, mounts) ?? obstacleOf(disk, above, places);
  return {
    path: disk.path,
    sizeBytes: disk.size,
    model: [disk.vendor, disk.model].filter((word) => word && !/^0x/.test(word)).join(" "),
    bus: busOf(disk),
    isRemovable: disk.rm || disk.hotplug,
    contents: all.flatMap(contentOf),
    marks: [disk.serial, disk.wwn, ...all.map(({ uuid }) => uuid)].filter((mark) => mark !== undefined),
    ...(refused && { refused }),
    nodes: all.map(({ path }) => path),
  };
}

function obstacleOf(disk: Node, above: readonly Node[], places: { node: Node; place: string }[]): Obstacle | undefined {
  const { path } = disk;
  const system = places.find(({ place }) => isSystemPlace(place));
  if (system) {
    const what = system.place === "[SWAP]" ? "its swap is" : `${system.place} is`;
    const message = `${path} is a disk of this computer's own system: ${what} on ${system.node.path}`;
    return { code: "flash.systemDisk", message, hint: "name another drive: `hamlet flash --list` shows them" };
  }
  const mounted = [...new Set(places.map(({ node }) => node.path))];
  if (mounted.length > 0) {
    const where = places.map(({ place }) => place).join(", ");
    return { code: "flash.inUse", message: `${path} is mounted at ${where}`, hint: `umount ${mounted.join(" ")}` };
  }
  const holder = above.find(({ type }) => type !== "part");
  if (holder) {
    const message = `${path} is in use: ${holder.path} (${holder.type}) lies on it`;
    return { code: "flash.inUse", message, hint: `close ${holder.path} first` };
  }
  if (disk.size === 0) {
    return { code: "flash.empty", message: `${path} has no card in it`, hint: "put one in and look again" };
  }
  if (disk.ro) {
    const hint = "check the small switch at the side of an SD card";
    return { code: "flash.readOnly", message: `${path} is write-protected`, hint };
  }
  return undefined;
}

/** File systems whose mounts do not name their disks: lsblk's name for a part of one, and the kernel's. */
const pools: Readonly<Record<string, string>> = { zfs_member: "zfs", bcachefs: "bcachefs" };

/** The disks of a mounted pool are unknown here, so every disk that may be one of them counts as one. */
function poolObstacleOf({ path }: Node, all: readonly Node[], mounts: readonly Mount[]): Obstacle | undefined {
  for (const node of all) {
    const type = node.fstype && pools[node.fstype];
    const mount = mounts.find((one) => type !== undefined && one.type === type);
    if (!mount) continue;
    const message = `${path} may be a disk of this computer's own system: ${node.path} is ${type}, and so is ${mount.place}`;
    return { code: "flash.systemDisk", message, hint: "name another drive: `hamlet flash --list` shows them" };
  }
  return undefined;
}

const descendants = ({ children = [] }: Node): Node[] => children.flatMap((child) => [child, ...descendants(child)]);

type Mount = { device: string; source: string; place: string; type: string };

/** lsblk names one place of a device; it may have several, and another file system may be mounted over it. */
function placesOf(node: Node, mounts: readonly Mount[]): string[] {
  const found = mounts.filter((mount) => mount.device === node["maj:min"] || mount.source === node.path);
  return [...new Set([...(node.mountpoint ? [node.mountpoint] : []), ...found.map(({ place }) => place)])];
}

/** proc(5): id, parent, major:minor, root, mount point, options, optional fields, "-", type, source. */
function readMounts(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [, , device, , place] = before.split(" ");
    const [type = "", source = ""] = after.split(" ");
    if (device === undefined || place === undefined) return [];
    return [{ device, source: unescaped(source), place: unescaped(place), type }];
  });
}

/** A btrfs may span several disks: a mount names one of them, but all have its UUID. */
function alsoOnTheirOtherDisks(mounts: readonly Mount[], nodes: readonly Node[]): Mount[] {
  const others = nodes.flatMap((node) => {
    if (node.fstype !== "btrfs" || node.uuid === undefined) return [];
    const kin = nodes.filter(({ fstype, uuid }) => fstype === "btrfs" && uuid === node.uuid);
    const found = mounts.filter(({ source }) => kin.some(({ path }) => path === source));
    return found.map(({ place }) => ({ device: node["maj:min"], source: node.path, place, type: "btrfs" }));
  });
  return [...mounts, ...others];
}

const unescaped = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

function busOf({ name, type, tran }: Node): string {
  if (tran) return tran;
  if (type === "loop") return "loop";
  return /^(mmc|nvme)/.exec(name)?.[1] ?? (/^vd/.test(name) ? "virtio" : "unknown");
}

function contentOf({ name, fstype, label, partlabel, type }: Node): string[] {
  const called = label ?? partlabel;
  if (!fstype && !called) return type === "part" ? [name] : [];
  return [[name, fstype, called && JSON.stringify(called)].filter(Boolean).join(" ")];
}

/**
 * The drive at `path`. Throws the reason why it must not be written (exit code 3), or `flash.notADrive` (2). `sizeBytes`: the
 * size of the image.
 */
export function chooseDrive(drives: readonly Drive[], path: string, sizeBytes: number): Drive {
  const drive = drives.find((one) => one.path === path);
  if (!drive) {
    const whole = drives.find(({ nodes }) => nodes.includes(path));
    throw new HamletError(
      "flash.notADrive",
      whole ? `${path} is a part of ${whole.path}, not a drive` : `${path} is not a drive`,
      {
        hint: whole ? `an image goes onto the whole drive: ${whole.path}` : "`hamlet flash --list` shows the drives",
        exitCode: 2,
      },
    );
  }
  if (drive.refused) {
    const { code, message, hint } = drive.refused;
    throw new HamletError(code, message, { hint, exitCode: 3 });
  }
  if (drive.sizeBytes < sizeBytes) {
    const sizes = `it has ${megabytes(drive.sizeBytes)}, the image needs ${megabytes(sizeBytes)}`;
    throw new HamletError("flash.tooSmall", `${path} is too small: ${sizes}`, {
      hint: "use a larger card or disk",
      exitCode: 3,
    });
  }
  return drive;
}

/**
 * Compares two looks at one path. Throws `flash.otherDrive` (exit code 3) if the drive or its content changed: the person agreed
 * to lose something else.
 */
export function requireSame(agreed: Drive, now: Drive): void {
  const facts = ({ sizeBytes, model, marks, contents }: Drive) => JSON.stringify([sizeBytes, model, marks, contents]);
  if (facts(agreed) === facts(now)) return;
  throw new HamletError("flash.otherDrive", `${now.path} is no longer the drive that you were asked about`, {
    hint: "look again with `hamlet flash --list`, then run the same command again",
    exitCode: 3,
  });
}

/** In millions of bytes, as printed on cards. */
export const megabytes = (bytes: number): string => `${Math.floor(bytes / 1e6).toLocaleString("en")} MB`;
