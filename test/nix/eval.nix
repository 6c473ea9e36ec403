# Hamlet's modules applied to the doubles: the configuration that comes out. `modules` is given the nix/ folder to take from.
{ nix ? ../../nix, programs ? ./programs, modules }:
let
  lib = import ./lib.nix;
  pkgs = import ./pkgs.nix { inherit lib; };
in
(lib.evalModules {
  specialArgs = { inherit pkgs; modulesPath = ./nixos; };
  modules = [ ./nixos.nix { services.hamlet.programs = programs; } ] ++ modules nix;
}).config
