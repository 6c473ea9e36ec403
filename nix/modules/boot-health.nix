# What makes a boot that went wrong end, so that boot counting can do its work. The watchdog's settings come with
# system.conf.d from image/bundle/root; NixOS has boot-complete.target and systemd-bless-boot already.
{
  config = {
    boot.kernel.sysctl = {
      # Seconds; the command line has the same for the time before this.
      "kernel.panic" = 3;
      "kernel.panic_on_oops" = 1;
    };
    # A device without keyboard must not wait for somebody at it.
    systemd.enableEmergencyMode = false;
  };
}
