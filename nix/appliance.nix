# One board's bundle: evaluates its NixOS configuration and passes the parts to bundle.nix.
{ nixpkgs, nixos-hardware, board, version, programs, builtS, components ? [ ] }:
let
  inherit (nixpkgs) lib;
  about = (lib.importJSON ./boards.json).${board};
  constants = lib.importJSON ./constants.json;
  nixos = nixpkgs.lib.nixosSystem {
    system = about.nixSystem;
    modules = [
      ./modules/appliance.nix
      { services.hamlet = { inherit board version programs; hardware = nixos-hardware; }; }
    ];
  };
  inherit (nixos) config pkgs;
  hamlet = config.services.hamlet;
  # NixOS checks assertions only when it builds the system itself.
  failed = map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions);

  kernel = config.boot.kernelPackages.kernel;
  kernelModules = kernel.modules or kernel;
  # NixOS merges the list into one package, all of linux-firmware on a NUC.
  kernelFirmware = config.hardware.firmware;
  modulesOf = rootModules: pkgs.makeModulesClosure {
    inherit rootModules;
    kernel = kernelModules;
    # Another program copies the firmware.
    firmware = pkgs.runCommand "no-firmware" { } "mkdir -p $out/lib/firmware; exit 0";
    # A kernel may have some of these built in, or not have them at all.
    allowMissing = true;
  };
  listed = lib.importJSON ./kernel-modules.json;
  modules = modulesOf (listed.root ++ config.boot.kernelModules);
  firmware = pkgs.callPackage ./firmware.nix { inherit modules; firmware = kernelFirmware; };
  systemd = config.systemd.package;
  nodejs = pkgs.nodejs-slim_24;
  osRelease = import ./os-release.nix { inherit board version; };
  efiFolder = "${systemd}/lib/systemd/boot/efi";

  root = import ./root.nix {
    inherit lib modules firmware kernelFirmware nodejs systemd builtS osRelease;
    # `hamlet image build` puts the release root and the repositories there.
    update = if builtins.pathExists ./update then ./update else null;
    inherit (pkgs) runCommand;
    inherit (config.system.build) etc;
    inherit (config.system) path;
    agent = hamlet.package;
    appliance = hamlet.appliancePackage;
    about = { inherit board version; };
  };
  initrd = import ./initrd.nix {
    inherit lib constants;
    modules = modulesOf (listed.initrd ++ lib.splitString " " listed.rescue);
    inherit (pkgs) runCommand makeInitrdNG cpio zstd xz;
    busybox = "${pkgs.pkgsStatic.busybox}/bin/busybox";
    dmsetup = "${lib.getBin pkgs.lvm2}/bin/dmsetup";
  };
  makeBundle = import ./bundle.nix {
    inherit lib constants;
    inherit (pkgs) runCommand erofs-utils cryptsetup;
  };
in
if failed != [ ] then throw (lib.concatStringsSep "\n" failed)
else makeBundle {
  inherit board version builtS root osRelease components;
  kernel = "${kernel}/${config.system.boot.loader.kernelFile}";
  initrd = "${initrd}/initrd";
  efi = if about.layout == "uefi" then {
    stub = "${efiFolder}/linux${about.efi}.efi.stub";
    loader = "${efiFolder}/systemd-boot${about.efi}.efi";
  } else null;
  rpi = if about.layout == "rpi" then {
    configTxt = (lib.importJSON ./config-txt.json).${board};
    firmware = "${pkgs.raspberrypifw}/share/raspberrypi/boot";
    deviceTrees = "${kernel}/dtbs";
  } else null;
  outside = [ kernel pkgs.pkgsStatic.busybox (lib.getBin pkgs.lvm2) ] ++ lib.optional (about.layout == "rpi") pkgs.raspberrypifw;
  parts = { hamlet = programs; node = nodejs; inherit modules firmware; };
}
