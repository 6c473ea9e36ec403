# The packages of the programs that units and the command `hamlet` start: spawned.json, which a test compares with the code.
{ lib, pkgs, systemd }:
let
  inherit (lib.importJSON ./spawned.json) packages starts;
  # By the names of the units that start them.
  packagesOf = names: map (name: if name == "systemd" then systemd else pkgs.${name})
    (lib.unique (map (program: packages.${program}.nixpkgs) (lib.concatMap (name: starts.${name}) names)));
in
{
  inherit packagesOf;
  all = packagesOf (builtins.attrNames starts);
}
