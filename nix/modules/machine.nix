# The agent on a NixOS machine that serves other purposes too: it keeps its network, firewall, resolver and web server.
{ config, lib, ... }:
let
  cfg = config.services.hamlet;
in
{
  imports = [ ./agent.nix ./network.nix ];

  config = lib.mkIf cfg.enable {
    # Port 80, the default, belongs to the machine's web server.
    services.hamlet.settings.link.pagePort = lib.mkDefault 0;
    # systemd.dns-delegate(5), systemd 258: the agent answers for hamlet.internal, the machine's own servers for the rest.
    environment.etc = lib.mkIf config.services.resolved.enable {
      "systemd/dns-delegate.d/hamlet.dns-delegate".text = ''
        [Delegate]
        DNS=127.0.0.1:5354
        Domains=~hamlet.internal
      '';
    };
  };
}
