# A package of our programs with their units and udev rules, for `systemd.packages` and `services.udev.packages`.
# The unit files are those of the Debian images, with their paths changed to this package's and nixpkgs'.
{ lib, pkgs, runCommand, nodejs, systemd, coreutils, dosfstools, openssh, programs }:
{ name, folders, scripts ? [ ] }:
runCommand name
{
  inherit folders scripts programs;
  # The command `hamlet` finds what it starts on any machine.
  commandPath = lib.makeBinPath ((import ./spawned.nix { inherit lib pkgs systemd; }).packagesOf [ "hamlet" ]);
  node = "${nodejs}/bin/node";
  # Debian's path of each program that a unit names, and its path in nixpkgs.
  moved = builtins.concatStringsSep "\n" [
    "/usr/bin/node:${nodejs}/bin/node"
    "/usr/lib/hamlet/node:${nodejs}/bin/node"
    "/usr/lib/systemd/:${systemd}/lib/systemd/"
    "/usr/bin/stty:${coreutils}/bin/stty"
    "=/bin/rm :=${coreutils}/bin/rm "
    "/usr/sbin/fsck.vfat:${dosfstools}/bin/fsck.vfat"
    "/usr/sbin/sshd:${openssh}/bin/sshd"
    " ssh-keygen : ${openssh}/bin/ssh-keygen "
  ];
}
  (builtins.readFile ./files.sh)
