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
  file = {
    enable = optionOr true types.bool;
    text = optionOr null (types.nullOr types.lines);
    source = optionOr null (types.nullOr types.path);
    mode = optionOr "symlink" types.str;
    user = optionOr "+0" types.str;
  };
in
{
  options = {
    assertions = optionOr [ ] (types.listOf types.anything);
    boot.bcache.enable = optionOr true types.bool;
    boot.kernel.sysctl = optionOr { } (types.attrsOf (types.either types.int types.str));
    boot.kernelModules = strings;
    boot.kernelPackages = optionOr pkgs.linuxPackages types.raw;
    boot.tmp.useTmpfs = bool;
    boot.loader.grub.enable = optionOr true types.bool;
    console.enable = optionOr true types.bool;
    documentation.enable = optionOr true types.bool;
    environment.etc = many file;
    environment.systemPackages = packages;
    fileSystems = many { device = option types.str; fsType = option types.str; options = strings; };
    fonts.fontconfig.enable = optionOr true types.bool;
    hardware.firmware = packages // { apply = list: pkgs.symlinkJoin { name = "firmware"; paths = list; }; };
    hardware.wirelessRegulatoryDatabase = bool;
    networking.defaultGateway = optionOr null (types.nullOr types.str);
    networking.firewall = firewall // {
      interfaces = many firewall;
      extraCommands = optionOr "" types.lines;
      logRefusedConnections = optionOr true types.bool;
    };
    networking.nameservers = strings;
    networking.hostName = optionOr "nixos" types.str;
    networking.nftables.enable = bool;
    networking.useDHCP = optionOr true types.bool;
    networking.useNetworkd = bool;
    nix.enable = optionOr true types.bool;
    powerManagement.enable = optionOr true types.bool;
    programs.nano.enable = optionOr true types.bool;
    security.enableWrappers = optionOr true types.bool;
    security.sudo.enable = optionOr true types.bool;
    services.fstrim.enable = optionOr true types.bool;
    services.lvm.enable = optionOr true types.bool;
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
    services.nginx.enable = bool;
    services.resolved.enable = bool;
    services.udev.packages = packages;
    services.userborn.enable = bool;
    system.boot.loader.kernelFile = optionOr config.boot.kernelPackages.kernel.file types.str;
    system.build.etc = optionOr (pkgs.etcOf config.environment.etc config.users.users config.users.groups) types.package;
    system.path = optionOr (pkgs.pathOf config.environment.systemPackages) types.package;
    system.stateVersion = option types.str;
    systemd.coredump.enable = optionOr true types.bool;
    systemd.network.wait-online.enable = optionOr true types.bool;
    systemd.oomd.enable = optionOr true types.bool;
    systemd.generators = optionOr { } (types.attrsOf types.path);
    systemd.shutdownRamfs.enable = optionOr true types.bool;
    systemd.enableEmergencyMode = optionOr true types.bool;
    systemd.package = optionOr pkgs.systemd types.package;
    systemd.packages = packages;
    systemd.services = many { path = packages; after = strings; };
    systemd.suppressedSystemUnits = strings;
    systemd.tmpfiles.rules = strings;
    systemd.units = many { enable = optionOr true types.bool; wantedBy = strings; requiredBy = strings; };
    users.allowNoPasswordLogin = bool;
    users.groups = many { gid = optionOr null (types.nullOr types.int); };
    users.users = many {
      isSystemUser = bool;
      uid = optionOr null (types.nullOr types.int);
      group = optionOr "" types.str;
      hashedPassword = optionOr null (types.nullOr types.str);
      description = optionOr "" types.str;
    };
  };

  # What NixOS itself defines, as far as Hamlet's modules must cope with it.
  config = {
    users.users.root.uid = 0;
    users.groups.root.gid = 0;
    environment.etc."modprobe.d/firmware.conf".text = "options firmware_class path=${config.hardware.firmware}/lib/firmware";
    environment.etc."sudoers" = { text = "root ALL=(ALL) ALL\n"; mode = "0440"; };
    assertions = [
      {
        assertion = !(config.networking.useNetworkd && config.networking.defaultGateway != null);
        message = "networking.defaultGateway must name its interface when networkd is used";
      }
      {
        assertion = !(config.networking.nftables.enable && config.networking.firewall.extraCommands != "");
        message = "extraCommands is incompatible with the nftables based firewall";
      }
    ];
  };
}
