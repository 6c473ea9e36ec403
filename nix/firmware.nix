# The firmware that the modules in a root filesystem ask for, chosen as image/bundle/debian/modules.ts chooses it. makeModulesClosure
# takes exact names only: a Wi-Fi card whose driver is newer than its firmware would have none.
{ lib, runCommand, kmod, modules, firmware }:
runCommand "hamlet-firmware"
{
  nativeBuildInputs = [ kmod ];
  inherit modules firmware;
  # Beginnings of names, one word each. Of Broadcom's firmware only the Raspberry Pis' is taken, whatever the driver asks for.
  byName = (lib.importJSON ./kernel-modules.json).firmware;
}
  (builtins.readFile ./firmware.sh)
