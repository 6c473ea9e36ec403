{
  description = "Hamlet: system bundles, the agent and NixOS modules";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    # Read as plain files: only the Raspberry Pi kernel and firmware are used.
    nixos-hardware = { url = "github:NixOS/nixos-hardware"; flake = false; };
  };

  outputs = { self, nixpkgs, nixos-hardware }:
    let
      inherit (nixpkgs) lib;
      boards = lib.importJSON ./boards.json;
      systems = [ "x86_64-linux" "aarch64-linux" ];
      eachSystem = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      # `hamlet image build` writes release.json; a checkout uses the version in package.json.
      version =
        if builtins.pathExists ./release.json then (lib.importJSON ./release.json).version
        else (lib.importJSON ../package.json).version;
      programs = pkgs: import ./programs.nix { inherit lib pkgs version; };

      # Build a board's bundle on a machine of the board's own architecture, whichever system asks for it.
      bundle = board: import ./appliance.nix {
        inherit nixpkgs nixos-hardware board version;
        programs = programs nixpkgs.legacyPackages.${boards.${board}.nixSystem};
        builtS = nixpkgs.lastModified or 1;
        components = if builtins.pathExists ./components.json then lib.importJSON ./components.json else [ ];
      };
      withPrograms = module: { pkgs, lib, ... }: {
        imports = [ module ];
        services.hamlet.programs = lib.mkDefault (programs pkgs);
        services.hamlet.settings.release = lib.mkDefault version;
      };
    in
    {
      packages = eachSystem (pkgs:
        { agent = programs pkgs; }
        // lib.mapAttrs' (board: _: lib.nameValuePair "bundle-${board}" (bundle board)) boards);

      nixosModules = {
        agent = withPrograms ./modules/agent.nix;
        network = ./modules/network.nix;
        appliance = withPrograms ./modules/appliance.nix;
        boards = ./modules/boards.nix;
        boot-health = ./modules/boot-health.nix;
        k3s = ./modules/k3s.nix;
        default = withPrograms ./modules/machine.nix;
      };

      checks = eachSystem (pkgs: import ./tests { inherit pkgs; modules = self.nixosModules; });

      devShells = eachSystem (pkgs: {
        default = pkgs.mkShellNoCC {
          packages = [ pkgs.nodejs_24 pkgs.erofs-utils pkgs.mtools pkgs.dosfstools pkgs.e2fsprogs pkgs.cryptsetup pkgs.qemu pkgs.wireguard-tools pkgs.nftables ];
        };
      });
      formatter = eachSystem (pkgs: pkgs.nixfmt-tree);
    };
}
