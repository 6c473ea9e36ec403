# The initrd of a Debian image, made of nixpkgs' programs: the same script, busybox, dmsetup and the modules that reach the disk.
# In two archives, which the kernel unpacks one after the other: ours, and dmsetup with its libraries.
{ lib, runCommand, busybox, dmsetup, makeInitrdNG, makeModulesClosure, cpio, zstd, xz, kernelModules, kernelFirmware, constants }:
let
  closure = makeModulesClosure {
    kernel = kernelModules;
    firmware = kernelFirmware;
    rootModules = (lib.importJSON ./kernel-modules.json).initrd;
    # Names that a kernel has built in, or lacks.
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
