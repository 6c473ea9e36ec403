# A device's root filesystem as a tree of links into the store. Everything is where a Debian image has it, so that
# image/bundle/initrd/init and the units find it. NixOS's activation script does not run: this build does its work once.
{ lib, runCommand, modules, firmware, kernelFirmware, etc, path, systemd, nodejs, agent, appliance, about, builtS, osRelease, update ? null }:
runCommand "hamlet-root"
{
  # path in the root = target of the link
  links = [
    "bin=usr/bin"
    "sbin=usr/bin"
    "lib=usr/lib"
    "usr/sbin=bin"
    "usr/bin=${path}/bin"
    "usr/lib/modules=${modules}/lib/modules"
    "usr/lib/firmware=${firmware}/lib/firmware"
    "usr/lib/hamlet/node=${nodejs}/bin/node"
    "usr/lib/hamlet/system/sw=${path}"
    "usr/lib/hamlet/system/systemd=${systemd}"
    "usr/lib/hamlet/system/etc=${etc}/etc"
    "usr/lib/hamlet/system/kernel-modules=${modules}"
    "etc/os-release=../usr/lib/os-release"
    "etc/mtab=../proc/self/mounts"
    "etc/hostname=/var/lib/hamlet/system/hostname"
  ];
  packages = [ agent appliance ];
  # Everything that Linux has firmware for would be larger than the slot: nothing in the root may refer to it.
  disallowedRequisites = [ kernelFirmware ];
  inherit update;
  etc = "${etc}/etc";
  systemd = "${systemd}/lib/systemd";
  inherit osRelease;
  release = builtins.toJSON (about // { inherit builtS; });
}
  (builtins.readFile ./root.sh)
