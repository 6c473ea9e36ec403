# A double of nixos-hardware's file.
{ runCommand }:
runCommand "raspberrypi-wireless-firmware" { } "mkdir -p $out/lib/firmware; exit 0"
