# What makes a boot that went wrong end, so that boot counting can do its work. The watchdog's settings come with
# system.conf.d from image/bundle/root; NixOS has boot-complete.target already.
{
  config = {
    boot.kernel.sysctl = {
      # Seconds; the command line has the same for the time before this.
      "kernel.panic" = 3;
      "kernel.panic_on_oops" = 1;
    };
    # Who says that a new slot is good is boot control (image/boot), not whoever reaches boot-complete.target.
    systemd.suppressedSystemUnits = [ "systemd-bless-boot.service" ];
    # A device without keyboard must not wait for somebody at it.
    systemd.enableEmergencyMode = false;
  };
}
