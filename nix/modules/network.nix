# The network settings that the agent needs: open ports on the link, the members' ports on the mesh only, and name resolution.
{ config, lib, ... }:
let
  cfg = config.services.hamlet;
  inherit (cfg) settings;
  page = lib.optional (settings.link.pagePort != 0) settings.link.pagePort;
in
{
  config = lib.mkIf cfg.enable {
    networking.useNetworkd = lib.mkDefault true;
    networking.nftables.enable = true;
    networking.firewall = {
      allowedTCPPorts = [ settings.link.helloPort ] ++ page;
      # 5353: RFC 6762, multicast DNS.
      allowedUDPPorts = [ settings.mesh.listenPort 5353 ];
      interfaces.${settings.mesh.interface} = {
        allowedTCPPorts = [ settings.cluster.port settings.telemetry.port ];
        allowedUDPPorts = [ settings.cluster.port ];
      };
    };
    # The agent answers for hamlet.internal and is the machine's only multicast DNS responder.
    services.resolved.enable = true;
    environment.etc."systemd/resolved.conf.d/hamlet.conf".source = ../../image/bundle/root/etc/systemd/resolved.conf.d/hamlet.conf;
  };
}
