# The options of NixOS that are younger than two releases: nix/modules/recent.nix must do without them.
{ lib, ... }:
{
  options.services.openssh.generateHostKeys = lib.mkOption { type = lib.types.bool; default = true; };
  options.services.userborn.static = lib.mkOption { type = lib.types.bool; default = false; };
}
