# The Debian images' initrd built from nixpkgs: the same script, busybox, dmsetup and the kernel modules needed to reach the disk.
# It is two archives, which the kernel unpacks in turn: ours, then dmsetup with its libraries.
{ lib, runCommand, busybox, dmsetup, makeInitrdNG, makeModulesClosure, cpio, zstd, xz, kernelModules, kernelFirmware, constants }:
let
  closure = makeModulesClosure {
    kernel = kernelModules;
    firmware = kernelFirmware;
    rootModules = (lib.importJSON ./kernel-modules.json).initrd;
    # A kernel may have some of these built in, or not have them at all.
    allowMissing = true;
  };
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
  modules = closure;
  applets = "sh cat chroot dd echo hexdump insmod ln mkdir mount mv sed sleep switch_root sync tail tr umount wc";
  inherit (constants) veritySalt;
  inherit busybox withLibraries;
}
  (builtins.readFile ./initrd.sh)
