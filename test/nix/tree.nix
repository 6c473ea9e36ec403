# The flake nixpkgs from a folder: a checkout of it, or its lib/ and nixos/ with a pkgs.nix ({ lib, system }) in place of its packages,
# and a module.nix that those packages need.
tree:
let
  lib = import (tree + "/lib");
  pkgsOf = system:
    if builtins.pathExists (tree + "/pkgs.nix") then import (tree + "/pkgs.nix") { inherit lib system; } else import tree { inherit system; };
  legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] pkgsOf;
  nixosSystem = { system, modules }: import (tree + "/nixos/lib/eval-config.nix") {
    inherit lib;
    system = null;
    modules = modules ++ lib.optional (builtins.pathExists (tree + "/module.nix")) (tree + "/module.nix") ++ [ { nixpkgs.pkgs = legacyPackages.${system}; } ];
  };
in
{
  lib = lib // { inherit nixosSystem; };
  inherit legacyPackages;
}
