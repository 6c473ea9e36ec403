# Optional: Kubernetes over the mesh. One device is the server, the others are agents; they use mesh addresses only.
{ config, lib, ... }:
let
  inherit (lib) mkEnableOption mkIf mkOption optionals types;
  cfg = config.services.hamlet.k3s;
  mesh = config.services.hamlet.settings.mesh.interface;
in
{
  options.services.hamlet.k3s = {
    enable = mkEnableOption "k3s across the members";
    role = mkOption { type = types.enum [ "server" "agent" ]; default = "agent"; description = "server on exactly one device, agent on the others"; };
    serverName = mkOption { type = types.str; default = ""; description = "the server's mesh name, for example attic.hamlet.internal"; };
    tokenFile = mkOption {
      type = types.path;
      default = "/var/lib/hamlet/root/k3s-token";
      description = "file with the cluster's secret, readable by root only; keep it out of the store";
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      { assertion = cfg.role == "server" || cfg.serverName != ""; message = "services.hamlet.k3s.serverName must name the server unless role is \"server\""; }
    ];
    services.k3s = {
      enable = true;
      inherit (cfg) role tokenFile;
      serverAddr = if cfg.role == "server" then "" else "https://${cfg.serverName}:6443";
      extraFlags = [ "--data-dir=/var/lib/hamlet/k3s" "--flannel-iface=${mesh}" ]
        # The mesh is IPv6, so these ranges are too; they are private to the cluster.
        ++ optionals (cfg.role == "server") [ "--cluster-cidr=fd42:6b33::/56" "--service-cidr=fd42:6b34::/112" "--disable=traefik" ];
    };
    networking.firewall.interfaces.${mesh} = {
      allowedTCPPorts = [ 6443 10250 ];
      # VXLAN, used by flannel.
      allowedUDPPorts = [ 8472 ];
    };
    systemd.services.k3s.after = [ "hamlet-agent.service" ];
  };
}
