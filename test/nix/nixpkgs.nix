# A double of the flake nixpkgs: `lib`, `nixosSystem` and one set of packages for every system.
let
  lib = import ./lib.nix;
  pkgs = import ./pkgs.nix { inherit lib; };
in
{
  lib = lib // {
    nixosSystem = { system, modules }: {
      inherit pkgs;
      inherit (lib.evalModules {
        specialArgs = { inherit pkgs; modulesPath = ./nixos; };
        modules = [ ./nixos.nix ./nixos-recent.nix ] ++ modules;
      }) config;
    };
  };
  legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (_: pkgs);
  lastModified = 1700000000;
}
