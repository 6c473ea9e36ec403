# The agent accepts the settings file that NixOS writes: all of the schema's defaults, and some other values.
{ modules }:
{
  name = "hamlet-settings";

  nodes.machine = {
    imports = [ modules.default ];
    services.hamlet = {
      enable = true;
      settings = { name = "porch"; mesh.mtu = 1380; link.pagePort = 8080; telemetry.homeAssistant = false; };
    };
  };

  testScript = ''
    machine.wait_for_unit("hamlet-agent.service")
    machine.wait_for_open_port(8080)
    assert "porch" in machine.succeed("curl -fs http://127.0.0.1:8080/")
    machine.fail("journalctl -u hamlet-agent | grep -q config.invalid")
  '';
}
