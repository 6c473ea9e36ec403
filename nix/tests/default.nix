# Virtual machine tests for NixOS's test driver. They have not run yet: they need nixpkgs and KVM (.github/workflows/images.yml).
{ pkgs, modules }:
pkgs.lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
  mesh = pkgs.testers.runNixOSTest (import ./mesh.nix { inherit modules; });
  settings = pkgs.testers.runNixOSTest (import ./settings.nix { inherit modules; });
}
