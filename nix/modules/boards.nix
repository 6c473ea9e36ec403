# One board's kernel, modules and firmware. What a board is stands in boards.json, for TypeScript and Nix alike.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkIf mkOption types;
  boards = lib.importJSON ../boards.json;
  cfg = config.services.hamlet;
  isPi = boards.${cfg.board}.layout == "rpi";
in
{
  options.services.hamlet = {
    board = mkOption {
      type = types.enum (builtins.attrNames boards);
      description = "what the system is for";
    };
    hardware = mkOption {
      type = types.path;
      description = "NixOS/nixos-hardware, which has the kernel that knows a Raspberry Pi's tryboot";
    };
  };

  config = {
    boot.kernelPackages = mkIf isPi
      (pkgs.linuxPackagesFor (pkgs.callPackage (cfg.hardware + "/raspberry-pi/common/kernel.nix") {
        rpiVersion = lib.toInt (lib.removePrefix "rpi" cfg.board);
      }));
    hardware.firmware =
      if isPi
      then [ (pkgs.callPackage (cfg.hardware + "/raspberry-pi/common/raspberry-pi-wireless-firmware.nix") { }) ]
      else [ pkgs.linux-firmware ];
    hardware.wirelessRegulatoryDatabase = true;
    # Firmware that may be passed on, but is no free software.
    nixpkgs.config.allowUnfreePredicate = package:
      builtins.elem (lib.getName package) [ "raspberrypi-wireless-firmware" "raspberrypifw" "linux-firmware" ];
  };
}
