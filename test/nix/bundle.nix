# A board's bundle from `source` (this project, or what the NixOS builder stages), with doubles for nixpkgs and nixos-hardware.
{ source, board, version ? (lib.importJSON "${toString source}/nix/release.json").version, programs ? source + "/nix/programs", lib ? import ./lib.nix }:
let
  pkgs = import ./pkgs.nix { inherit lib; };
  isPi = lib.hasPrefix "rpi" board;
in
import (source + "/nix/appliance.nix") {
  nixpkgs.lib = lib // {
    nixosSystem = { system, modules }: {
      inherit pkgs;
      inherit (lib.evalModules {
        specialArgs = { inherit pkgs; modulesPath = ./nixos; };
        modules = [ ./nixos.nix { system.boot.loader.kernelFile = if isPi then "Image" else "bzImage"; } ] ++ modules;
      }) config;
    };
  };
  nixos-hardware = ./hardware;
  inherit board version programs;
  builtS = 1700000000;
  components = if builtins.pathExists (source + "/nix/components.json") then lib.importJSON (source + "/nix/components.json") else [ ];
}
