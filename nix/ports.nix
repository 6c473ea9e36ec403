# Whether each part of the agent has a port of its own, by the rule of agent/ports.ts: the schema cannot say it.
{ link, mesh, cluster, telemetry, update, ... }:
let
  inherit (builtins) any attrNames elem length listToAttrs;
  distinct = ports: attrNames (listToAttrs (map (port: { name = toString port; value = null; }) ports));
  tcp = [ link.helloPort cluster.port telemetry.port update.lendPort ]
    ++ (if elem link.pagePort [ 0 link.helloPort ] then [ ] else [ link.pagePort ]);
  multicastDns = 5353;
  udp = [ cluster.port ] ++ (if mesh.dnsPort == 0 then [ ] else [ mesh.dnsPort ]);
in
length (distinct tcp) == length tcp
&& mesh.listenPort != multicastDns
&& !(any (port: elem port [ multicastDns mesh.listenPort ]) udp)
