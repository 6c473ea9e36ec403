# Facts about Hamlet's configurations as a real NixOS module tree evaluates them. `tree`: see tree.nix.
{ tree, hardware ? tree + "/nixos-hardware", source }:
let
  nixpkgs = import ./tree.nix tree;
  inherit (nixpkgs) lib;
  inherit (lib) nixosSystem;
  flake = import (source + "/nix/flake.nix");
  self = flake.outputs { inherit self nixpkgs; nixos-hardware = hardware; };
  boards = lib.importJSON (source + "/nix/boards.json");

  failedOf = config: map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions);
  enabled = lib.filterAttrs (_: entry: entry.enable);
  appliance = (nixosSystem {
    system = "x86_64-linux";
    modules = [ self.nixosModules.appliance { services.hamlet = { board = "nuc"; version = "1.2.3"; inherit hardware; }; } ];
  }).config;
  machine = module: (nixosSystem {
    system = "x86_64-linux";
    modules = [ { fileSystems."/" = { device = "/dev/sda1"; fsType = "ext4"; }; boot.loader.grub.device = "/dev/sda"; documentation.enable = false; documentation.nixos.enable = false; system.stateVersion = "24.05"; } module ];
  }).config;
  # A gateway, own firewall commands, a service on port 80, dhcpcd, an id of its own at 990.
  own = {
    networking = { defaultGateway = "192.0.2.1"; nameservers = [ "192.0.2.53" ]; firewall.extraCommands = "true"; firewall.allowedTCPPorts = [ 80 ]; };
    systemd.services.web = { script = "exec web 80"; wantedBy = [ "multi-user.target" ]; };
    users.users.gitea = { isSystemUser = true; uid = 990; group = "gitea"; };
    users.groups.gitea.gid = 990;
  };
  with' = machine { imports = [ own self.nixosModules.default ]; services.hamlet.enable = true; };
  without = machine own;
  k3s = machine { imports = [ self.nixosModules.default self.nixosModules.k3s ]; services.hamlet.enable = true; services.hamlet.k3s = { enable = true; role = "server"; }; };

  builds = config: builtins.seq (builtins.unsafeDiscardStringContext "${config.system.build.etc}") (failedOf config);
  namesOf = value: builtins.attrNames value;
in
{
  boards = builtins.mapAttrs (name: about: builtins.unsafeDiscardStringContext self.packages.${about.nixSystem}."bundle-${name}".drvPath) boards;
  machines = { default = builds with'; k3s = builds k3s; }
    // builtins.mapAttrs (_: test: lib.concatMap builds (builtins.attrValues (test.machines or test.nodes))) self.checks.x86_64-linux;
  appliance = {
    inherit (appliance) warnings;
    started = lib.mapAttrs (_: unit: unit.wantedBy ++ unit.requiredBy) (lib.filterAttrs (_: unit: unit.wantedBy ++ unit.requiredBy != [ ]) (enabled appliance.systemd.units));
    sockets = namesOf (lib.filterAttrs (name: socket: socket.wantedBy != [ ] && appliance.systemd.units."${name}.socket".enable) appliance.systemd.sockets);
    masked = namesOf (lib.filterAttrs (_: unit: !unit.enable) appliance.systemd.units);
    generators = appliance.systemd.generators;
    modes = lib.filterAttrs (_: mode: mode != "symlink" && mode != "direct-symlink") (builtins.mapAttrs (_: entry: entry.mode) (enabled appliance.environment.etc));
    owners = lib.unique (map (entry: "${entry.user}:${entry.group}") (builtins.attrValues (enabled appliance.environment.etc)));
    shadow = appliance.users.users.root.hashedPassword;
    rules = builtins.unsafeDiscardStringContext (lib.concatMapStringsSep "\n" (table: table.content) (builtins.attrValues appliance.networking.nftables.tables));
    agentPath = builtins.unsafeDiscardStringContext appliance.systemd.units."hamlet-agent.service".text;
    firmware = appliance.environment.etc."modprobe.d/firmware.conf".enable;
    tmp = appliance.systemd.units."tmp.mount".enable or (builtins.elem "tmp.mount" appliance.systemd.additionalUpstreamSystemUnits);
  };
  changes = {
    units = lib.subtractLists (namesOf without.systemd.units) (namesOf with'.systemd.units);
    etc = lib.subtractLists (namesOf (enabled without.environment.etc)) (namesOf (enabled with'.environment.etc));
    users = lib.subtractLists (namesOf without.users.users) (namesOf with'.users.users);
    kept = builtins.mapAttrs (_: path: lib.getAttrFromPath path with' == lib.getAttrFromPath path without) {
      networkd = [ "networking" "useNetworkd" ];
      nftables = [ "networking" "nftables" "enable" ];
      dhcpcd = [ "networking" "dhcpcd" "enable" ];
      resolved = [ "services" "resolved" "enable" ];
      nameservers = [ "networking" "nameservers" ];
      gateway = [ "networking" "defaultGateway" "address" ];
      commands = [ "networking" "firewall" "extraCommands" ];
    };
    ids = [ with'.users.users.hamlet.uid with'.users.groups.hamlet.gid ];
    ports = lib.subtractLists without.networking.firewall.allowedTCPPorts with'.networking.firewall.allowedTCPPorts;
  };
}
