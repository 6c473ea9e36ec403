# The agent on any NixOS machine: set `services.hamlet.enable = true` and copy a token to /var/lib/hamlet/agent/provision.json.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkEnableOption mkIf mkOption types;
  cfg = config.services.hamlet;
  schema = import ../schema-options.nix { inherit lib; };
  files = pkgs.callPackage ../files.nix {
    inherit (cfg) programs;
    nodejs = pkgs.nodejs-slim_24;
    systemd = config.systemd.package;
  };
  folders = map (folder: ../.. + "/${folder}") (lib.importJSON ../units.json).agent;
  spawned = import ../spawned.nix { inherit lib pkgs; systemd = config.systemd.package; };
in
{
  options.services.hamlet = {
    enable = mkEnableOption "the Hamlet agent";
    programs = mkOption {
      type = types.path;
      description = "folder with the programs that `npm run build` builds";
    };
    package = mkOption {
      type = types.package;
      default = files {
        name = "hamlet-agent";
        inherit folders;
        scripts = [ ../../image/bundle/root/usr/lib/hamlet/vm.conf ];
      };
      defaultText = "the agent's units and programs";
      description = "package with the units, the programs and the command `hamlet`";
    };
    settings = mkOption {
      type = types.submodule { options = schema.optionsOf (lib.importJSON ../agent-schema.json); };
      default = { };
      description = "the agent's settings; options.md lists them";
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = import ../ports.nix cfg.settings;
        message = "services.hamlet.settings gives one port to two parts of the agent, or that of multicast DNS to one";
      }
    ];

    # NixOS chooses the ids, counting down from 999; an appliance fixes them.
    users.users.hamlet = {
      isSystemUser = true;
      group = "hamlet";
      description = "Hamlet agent";
    };
    users.groups.hamlet = { };

    environment.etc."hamlet/agent.json".text = builtins.toJSON (schema.written cfg.settings);
    environment.systemPackages = [ cfg.package ];
    systemd.packages = [ cfg.package ];
    services.udev.packages = [ cfg.package ];
    systemd.units = import ../install-sections.nix { inherit lib; } folders;
    systemd.services.hamlet-agent.path = spawned.packagesOf [ "hamlet-agent" ];
    systemd.tmpfiles.rules = [
      "d /var/lib/hamlet 0755 root root -"
      "d ${cfg.settings.stateFolder} 0700 hamlet hamlet -"
    ];
    boot.kernelModules = [ "wireguard" "tun" "nf_tables" ];
  };
}
