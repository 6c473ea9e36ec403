# Tests in virtual machines of NixOS's own test driver. Not run yet: they need nixpkgs and KVM (.github/workflows/images.yml).
{ pkgs, modules }:
pkgs.lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
  mesh = pkgs.testers.runNixOSTest (import ./mesh.nix { inherit modules; });
  settings = pkgs.testers.runNixOSTest (import ./settings.nix { inherit modules; });
}
