# The ports that the agent needs: some open on every link, the members' on the mesh only.
{ config, lib, ... }:
let
  cfg = config.services.hamlet;
  inherit (cfg) settings;
  page = lib.optional (settings.link.pagePort != 0) settings.link.pagePort;
in
{
  config = lib.mkIf cfg.enable {
    networking.firewall = {
      allowedTCPPorts = [ settings.link.helloPort ] ++ page;
      # 5353: RFC 6762, multicast DNS.
      allowedUDPPorts = [ settings.mesh.listenPort 5353 ];
      interfaces.${settings.mesh.interface} = {
        allowedTCPPorts = [ settings.cluster.port settings.telemetry.port settings.update.lendPort ];
        allowedUDPPorts = [ settings.cluster.port ];
      };
    };
  };
}
