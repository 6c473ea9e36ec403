# The configuration that results from applying Hamlet's modules to the doubles. `modules` is a function of the nix/ folder.
{ nix ? ../../nix, programs ? ./programs, modules, isRecent ? true }:
let
  lib = import ./lib.nix;
  pkgs = import ./pkgs.nix { inherit lib; };
in
(lib.evalModules {
  specialArgs = { inherit pkgs; modulesPath = ./nixos; };
  modules = [ ./nixos.nix ] ++ lib.optional isRecent ./nixos-recent.nix ++ [ { services.hamlet.programs = programs; } ] ++ modules nix;
}).config
