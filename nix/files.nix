# A package of our programs and of the units and udev rules beside them, for `systemd.packages` and `services.udev.packages`.
# The unit files are the ones that Debian images have; only the paths in them become those of this package and of nixpkgs.
{ runCommand, nodejs, systemd, coreutils, openssh, programs }:
{ name, folders, scripts ? [ ] }:
runCommand name
{
  inherit folders scripts programs;
  node = "${nodejs}/bin/node";
  # Where Debian has a program that a unit names, and where nixpkgs has it.
  moved = builtins.concatStringsSep "\n" [
    "/usr/bin/node:${nodejs}/bin/node"
    "/usr/lib/hamlet/node:${nodejs}/bin/node"
    "/usr/lib/systemd/:${systemd}/lib/systemd/"
    "/usr/bin/stty:${coreutils}/bin/stty"
    "=/bin/rm :=${coreutils}/bin/rm "
    "/usr/sbin/sshd:${openssh}/bin/sshd"
  ];
}
  (builtins.readFile ./files.sh)
