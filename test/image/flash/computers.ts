// Sample computers: the output of `lsblk --json --bytes` (util-linux 2.38) and /proc/self/mountinfo.

type Node = {
  path: string;
  type?: string;
  size?: number;
  model?: string;
  tran?: string;
  rm?: boolean;
  ro?: boolean;
  fstype?: string;
  label?: string;
  uuid?: string;
  serial?: string;
  wwn?: string;
  mountpoint?: string;
  dev: string;
  children?: Node[];
};

const gb = 1e9;
const node = ({ path, type = "part", size = 0, rm = false, ro = false, dev, children, ...rest }: Node): object => ({
  name: path.replace(/^\/dev\/(mapper\/)?/, ""),
  path,
  "maj:min": dev,
  type,
  size,
  model: null,
  vendor: null,
  serial: null,
  wwn: null,
  tran: null,
  rm,
  hotplug: rm,
  ro,
  fstype: null,
  label: null,
  partlabel: null,
  uuid: null,
  mountpoint: null,
  ...rest,
  ...(children && { children: children.map(node) }),
});
export const lsblk = (...nodes: Node[]) => JSON.stringify({ blockdevices: nodes.map(node) });
const mount = (dev: string, place: string, fstype: string, source: string) =>
  `36 35 ${dev} / ${place} rw,relatime shared:1 - ${fstype} ${source} rw`;
const proc = "22 27 0:21 / /proc rw,relatime - proc proc rw";

/** Root and swap in LVM in LUKS on NVMe; a card reader with a card that the desktop has mounted, and an empty slot. */
const laptopRoot = (fstype: string): Node => ({
  path: "/dev/nvme0n1p3",
  dev: "259:3",
  size: 510 * gb,
  fstype: "crypto_LUKS",
  children: [
    {
      path: "/dev/mapper/luks-1f2e",
      type: "crypt",
      dev: "254:0",
      fstype: "LVM2_member",
      children: [
        { path: "/dev/mapper/vg-root", type: "lvm", dev: "254:1", fstype, mountpoint: "/" },
        { path: "/dev/mapper/vg-swap", type: "lvm", dev: "254:2", fstype: "swap", mountpoint: "[SWAP]" },
      ],
    },
  ],
});
export const laptop = {
  lsblk: lsblk(
    {
      path: "/dev/sda",
      type: "disk",
      dev: "8:0",
      size: 31.9 * gb,
      model: "STORAGE DEVICE  ",
      tran: "usb",
      rm: true,
      children: [
        { path: "/dev/sda1", dev: "8:1", fstype: "vfat", label: "boot", mountpoint: "/media/ana/boot" },
        { path: "/dev/sda2", dev: "8:2", fstype: "ext4", label: "rootfs" },
      ],
    },
    { path: "/dev/sdb", type: "disk", dev: "8:16", size: 0, model: "STORAGE DEVICE", tran: "usb", rm: true },
    { path: "/dev/sdc", type: "disk", dev: "8:32", size: 61 * gb, model: "Ultra Fit", tran: "usb", rm: true },
    { path: "/dev/loop3", type: "loop", dev: "7:3", size: 67 << 20, ro: true, mountpoint: "/snap/core/1" },
    { path: "/dev/sr0", type: "rom", dev: "11:0", size: 1 << 30, rm: true },
    { path: "/dev/zram0", type: "disk", dev: "252:0", size: 8 * gb, mountpoint: "[SWAP]" },
    {
      path: "/dev/nvme0n1",
      type: "disk",
      dev: "259:0",
      size: 512 * gb,
      model: "SAMSUNG MZVLB512",
      tran: "nvme",
      children: [
        { path: "/dev/nvme0n1p1", dev: "259:1", fstype: "vfat", mountpoint: "/boot/efi" },
        { path: "/dev/nvme0n1p2", dev: "259:2", fstype: "ext4", mountpoint: "/boot" },
        laptopRoot("ext4"),
      ],
    },
  ),
  mounts: [
    proc,
    mount("254:1", "/", "ext4", "/dev/mapper/vg-root"),
    mount("259:2", "/boot", "ext4", "/dev/nvme0n1p2"),
    mount("8:1", "/media/ana/boot", "vfat", "/dev/sda1"),
    mount("8:2", "/media/ana/my\\040root", "ext4", "/dev/sda2"),
  ].join("\n"),
};

/** Runs from its card; the USB stick is write-protected. */
export const pi = {
  lsblk: lsblk(
    {
      path: "/dev/sda",
      type: "disk",
      dev: "8:0",
      size: 16 * gb,
      model: "DataTraveler",
      tran: "usb",
      rm: true,
      ro: true,
    },
    {
      path: "/dev/mmcblk0",
      type: "disk",
      dev: "179:0",
      size: 31.9 * gb,
      children: [
        { path: "/dev/mmcblk0p1", dev: "179:1", fstype: "vfat", label: "bootfs", mountpoint: "/boot/firmware" },
        { path: "/dev/mmcblk0p2", dev: "179:2", fstype: "ext4", label: "rootfs", mountpoint: "/" },
      ],
    },
    { path: "/dev/mmcblk0boot0", type: "disk", dev: "179:32", size: 4 << 20, ro: true },
  ),
  mounts: [proc, mount("179:2", "/", "ext4", "/dev/root")].join("\n"),
};

/** Root on a mirror of two disks, data on a btrfs over two more; a fifth disk is unused. */
const mirror: Node = { path: "/dev/md0", type: "raid1", dev: "9:0", fstype: "ext4", mountpoint: "/" };
const disk = (letter: string, dev: string, rest: Partial<Node>): Node => ({
  path: `/dev/sd${letter}`,
  type: "disk",
  dev,
  size: 4000 * gb,
  model: "WDC WD40",
  tran: "sata",
  ...rest,
});
export const server = {
  lsblk: lsblk(
    disk("a", "8:0", {
      children: [{ path: "/dev/sda1", dev: "8:1", fstype: "linux_raid_member", children: [mirror] }],
    }),
    disk("b", "8:16", {
      children: [{ path: "/dev/sdb1", dev: "8:17", fstype: "linux_raid_member", children: [mirror] }],
    }),
    disk("c", "8:32", { fstype: "btrfs", uuid: "b7f5" }),
    disk("d", "8:48", { fstype: "btrfs", uuid: "b7f5" }),
    disk("e", "8:64", {}),
    disk("f", "8:80", {
      fstype: "LVM2_member",
      children: [{ path: "/dev/mapper/old-data", type: "lvm", dev: "254:9" }],
    }),
  ),
  mounts: [proc, mount("9:0", "/", "ext4", "/dev/md0"), mount("0:45", "/srv", "btrfs", "/dev/sdc")].join("\n"),
};

/** Root on a pool over a partition and a whole disk; the mounts name neither. */
export const pooled = (member: string, type: string, source: string) => ({
  lsblk: lsblk(
    disk("a", "8:0", { children: [{ path: "/dev/sda2", dev: "8:2", fstype: member }] }),
    disk("b", "8:16", { fstype: member }),
    disk("c", "8:32", {}),
  ),
  mounts: [proc, mount("0:30", "/", type, source)].join("\n"),
});

/** A Hamlet device that runs from a stick (verity over a partition) and has an internal disk. */
export const device = {
  lsblk: lsblk(
    {
      path: "/dev/sda",
      type: "disk",
      dev: "8:0",
      size: 16 * gb,
      model: "Ultra Fit",
      tran: "usb",
      rm: true,
      children: [
        { path: "/dev/sda1", dev: "8:1", fstype: "vfat", label: "HAMLET" },
        {
          path: "/dev/sda2",
          dev: "8:2",
          fstype: "erofs",
          children: [{ path: "/dev/mapper/hamlet-root", type: "dm", dev: "254:0", fstype: "erofs", ro: true }],
        },
        {
          path: "/dev/sda3",
          dev: "8:3",
          fstype: "DM_verity_hash",
          children: [{ path: "/dev/mapper/hamlet-root", type: "dm", dev: "254:0", fstype: "erofs", ro: true }],
        },
        { path: "/dev/sda6", dev: "8:6", fstype: "ext4", label: "hamlet-data" },
      ],
    },
    { path: "/dev/nvme0n1", type: "disk", dev: "259:0", size: 256 * gb, model: "KINGSTON", tran: "nvme" },
  ),
  mounts: [proc, mount("254:0", "/", "erofs", "/dev/dm-0"), mount("8:6", "/var/lib/hamlet", "ext4", "/dev/sda6")].join(
    "\n",
  ),
};
