# Two NixOS machines with the agent form one neighborhood: they find each other and ping each other by name over the mesh.
{ modules }:
{
  name = "hamlet-mesh";

  defaults = { pkgs, ... }: {
    imports = [ modules.default ];
    services.hamlet.enable = true;
    services.resolved.enable = true;
    # The agent has its own; these are for the script below.
    environment.systemPackages = [ pkgs.wireguard-tools ];
  };
  nodes.attic.services.hamlet.settings.name = "attic";
  nodes.cellar.services.hamlet.settings.name = "cellar";

  testScript = ''
    start_all()
    for machine in attic, cellar:
        machine.wait_for_unit("hamlet-agent.service")

    with subtest("without a token no machine becomes a member"):
        attic.succeed("wg show interfaces")
        attic.fail("wg show all latest-handshakes | grep -q .")

    with subtest("a token makes both members of one neighborhood"):
        environment = "HAMLET_PASSPHRASE='nobody guesses this' HAMLET_YES=1"
        attic.succeed(f"{environment} hamlet init /root/elm --name Elm")
        attic.succeed(f"{environment} hamlet token create --neighborhood /root/elm -o /root/token.json")
        token = attic.succeed("cat /root/token.json")
        for machine in attic, cellar:
            machine.succeed(
                f"cat >/var/lib/hamlet/agent/provision.json <<'END'\n{token}\nEND\n"
                "chown hamlet:hamlet /var/lib/hamlet/agent/provision.json",
                "systemctl restart hamlet-agent.service",
            )
        for machine in attic, cellar:
            machine.wait_until_succeeds("wg show hamlet0 latest-handshakes | grep -vq '\t0$'", timeout=60)
        attic.wait_until_succeeds("ping -c1 cellar.hamlet.internal", timeout=30)
        attic.wait_until_succeeds("hamlet status --json | grep -q '\"alive\"'", timeout=60)

    with subtest("the members' ports are closed on the link"):
        cellar.succeed("ping -c1 attic")
        cellar.fail("timeout 3 bash -c '</dev/tcp/attic/1883'")

    with subtest("the unit's exposure is at most 2.5"):
        attic.succeed("systemd-analyze security --threshold=25 hamlet-agent.service")

    with subtest("a machine that loses power is declared dead, and rejoins after a restart"):
        cellar.crash()
        attic.wait_until_succeeds("hamlet status --json | grep -q '\"dead\"'", timeout=60)
        cellar.start()
        attic.wait_until_succeeds("ping -c1 cellar.hamlet.internal", timeout=90)
  '';
}
