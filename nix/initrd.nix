# The Debian images' initrd built from nixpkgs: the same script, busybox, dmsetup and the kernel modules needed to reach the disk.
# It is two archives, which the kernel unpacks in turn: ours, then dmsetup with its libraries.
{ runCommand, busybox, dmsetup, makeInitrdNG, cpio, zstd, xz, modules, constants }:
let
  withLibraries = makeInitrdNG {
    name = "hamlet-initrd-dmsetup";
    compressor = "zstd";
    contents = [ { source = dmsetup; target = "/bin/dmsetup"; } ];
  };
in
runCommand "hamlet-initrd"
{
  nativeBuildInputs = [ cpio zstd xz ];
  init = ../image/bundle/initrd/init;
  applets = "sh cat chroot dd echo hexdump insmod ln mkdir mount mv sed sleep switch_root sync tail tr umount wc";
  inherit (constants) veritySalt;
  inherit busybox modules withLibraries;
}
  (builtins.readFile ./initrd.sh)
