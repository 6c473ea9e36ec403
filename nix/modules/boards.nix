# One board's kernel, modules and firmware. boards.json describes the boards for TypeScript and Nix.
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
      description = "board that the system runs on";
    };
    hardware = mkOption {
      type = types.path;
      description = "path of NixOS/nixos-hardware, whose kernel supports tryboot on a Raspberry Pi";
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
  };
}
