# A double of NixOS: only the options that Hamlet's modules set, as nixos-26.05 declares them, so that a misspelled one fails
# here too.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  option = type: mkOption { inherit type; };
  optionOr = default: type: mkOption { inherit type default; };
  bool = optionOr false types.bool;
  strings = optionOr [ ] (types.listOf types.str);
  packages = optionOr [ ] (types.listOf types.package);
  ports = optionOr [ ] (types.listOf (types.ints.between 0 65535));
  firewall = { allowedTCPPorts = ports; allowedUDPPorts = ports; };
  many = options: optionOr { } (types.attrsOf (types.submodule { inherit options; }));
  file = { text = optionOr null (types.nullOr types.lines); source = optionOr null (types.nullOr types.path); };
in
{
  options = {
    assertions = optionOr [ ] (types.listOf types.anything);
    boot.kernel.sysctl = optionOr { } (types.attrsOf (types.either types.int types.str));
    boot.kernelModules = strings;
    boot.kernelPackages = optionOr pkgs.linuxPackages types.raw;
    boot.loader.grub.enable = optionOr true types.bool;
    documentation.enable = optionOr true types.bool;
    environment.etc = many file;
    environment.systemPackages = packages;
    fileSystems = many { device = option types.str; fsType = option types.str; options = strings; };
    hardware.firmware = packages // { apply = list: pkgs.symlinkJoin { name = "firmware"; paths = list; }; };
    hardware.wirelessRegulatoryDatabase = bool;
    networking.firewall = firewall // { interfaces = many firewall; };
    networking.hostName = optionOr "nixos" types.str;
    networking.nftables.enable = bool;
    networking.useDHCP = optionOr true types.bool;
    networking.useNetworkd = bool;
    nix.enable = optionOr true types.bool;
    nixpkgs.config.allowUnfreePredicate = optionOr (_: false) types.raw;
    services.k3s = {
      enable = bool;
      role = optionOr "server" (types.enum [ "server" "agent" ]);
      tokenFile = optionOr null (types.nullOr types.path);
      serverAddr = optionOr "" types.str;
      extraFlags = optionOr "" (types.either types.str (types.listOf types.str));
    };
    services.openssh = {
      enable = bool;
      openFirewall = optionOr true types.bool;
      authorizedKeysFiles = strings;
      hostKeys = optionOr [ ] (types.listOf types.anything);
      settings = optionOr { } (types.attrsOf types.anything);
    };
    services.resolved.enable = bool;
    services.udev.packages = packages;
    services.userborn = { enable = bool; static = bool; };
    system.boot.loader.kernelFile = optionOr config.boot.kernelPackages.kernel.file types.str;
    system.build.etc = optionOr (pkgs.etcOf config.environment.etc) types.package;
    system.path = optionOr (pkgs.pathOf config.environment.systemPackages) types.package;
    system.stateVersion = option types.str;
    systemd.enableEmergencyMode = optionOr true types.bool;
    systemd.package = optionOr pkgs.systemd types.package;
    systemd.packages = packages;
    systemd.services = many { path = packages; after = strings; };
    systemd.suppressedSystemUnits = strings;
    systemd.tmpfiles.rules = strings;
    systemd.units = many { wantedBy = strings; requiredBy = strings; };
    users.allowNoPasswordLogin = bool;
    users.groups = many { gid = optionOr null (types.nullOr types.int); };
    users.users = many {
      isSystemUser = bool;
      uid = optionOr null (types.nullOr types.int);
      group = optionOr "" types.str;
      description = optionOr "" types.str;
    };
  };
}
