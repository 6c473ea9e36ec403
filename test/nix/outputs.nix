# The outputs of the flake in `source` (this project, or the NixOS builder's staging folder), with doubles for its inputs.
{ source }:
let
  flake = import (source + (if builtins.pathExists (source + "/flake.nix") then "/flake.nix" else "/nix/flake.nix"));
  self = flake.outputs { inherit self; nixpkgs = import ./nixpkgs.nix; nixos-hardware = ./hardware; };
in
self
