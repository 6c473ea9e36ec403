# The Debian images' initrd built from nixpkgs: the same scripts, busybox, dmsetup and the kernel modules needed to reach the disk.
# It is two archives, which the kernel unpacks in turn: ours, then dmsetup with its libraries.
{ lib, runCommand, busybox, dmsetup, makeInitrdNG, cpio, zstd, xz, modules, constants }:
let
  names = lib.importJSON ./kernel-modules.json;
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
  rescue = ../image/bundle/initrd/rescue;
  # Loaded only to lead to the other slot, with all that nothing else needs.
  inRescue = "${names.rescue} fat";
  applets = "sh cat chmod chroot cp dd echo grep hexdump insmod ln mkdir mount mv reboot rm sed sleep switch_root sync tail tr umount wc";
  inherit (constants) veritySalt agentUserId;
  inherit busybox modules withLibraries;
}
  (builtins.readFile ./initrd.sh)
