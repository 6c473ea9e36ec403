# Ends a failed boot with a restart, so that boot counting works. The watchdog's settings come from system.conf.d in
# image/bundle/root; NixOS already has boot-complete.target.
{ lib, ... }:
{
  config = {
    boot.kernel.sysctl = {
      # Seconds; the command line sets the same value for the time before this applies.
      "kernel.panic" = 3;
      "kernel.panic_on_oops" = 1;
    };
    # Boot control (image/boot) decides that a new slot is good; reaching boot-complete.target is not enough.
    systemd.units."systemd-bless-boot.service".enable = lib.mkForce false;
    # A device without a keyboard must not wait at an emergency shell.
    systemd.enableEmergencyMode = false;
  };
}
