# Optional: Kubernetes over the mesh. One device is the server, the others are agents; all talk by mesh addresses only.
{ config, lib, ... }:
let
  inherit (lib) mkEnableOption mkIf mkOption optionals types;
  cfg = config.services.hamlet.k3s;
  mesh = config.services.hamlet.settings.mesh.interface;
in
{
  options.services.hamlet.k3s = {
    enable = mkEnableOption "k3s between the members";
    role = mkOption { type = types.enum [ "server" "agent" ]; default = "agent"; description = "one device is the server"; };
    serverName = mkOption { type = types.str; default = ""; description = "the server's name in the mesh: attic.hamlet.internal"; };
    tokenFile = mkOption {
      type = types.path;
      default = "/var/lib/hamlet/root/k3s-token";
      description = "the cluster's secret, root's alone; never in the store";
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      { assertion = cfg.role == "server" || cfg.serverName != ""; message = "services.hamlet.k3s.serverName names the server"; }
    ];
    services.k3s = {
      enable = true;
      inherit (cfg) role tokenFile;
      serverAddr = if cfg.role == "server" then "" else "https://${cfg.serverName}:6443";
      extraFlags = [ "--data-dir=/var/lib/hamlet/k3s" "--flannel-iface=${mesh}" ]
        # The mesh is IPv6; these ranges are the cluster's own.
        ++ optionals (cfg.role == "server") [ "--cluster-cidr=fd42:6b33::/56" "--service-cidr=fd42:6b34::/112" "--disable=traefik" ];
    };
    networking.firewall.interfaces.${mesh} = {
      allowedTCPPorts = [ 6443 10250 ];
      # flannel's VXLAN
      allowedUDPPorts = [ 8472 ];
    };
    systemd.services.k3s.after = [ "hamlet-agent.service" ];
  };
}
