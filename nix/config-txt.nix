# What a Raspberry Pi's firmware reads on a slot's boot partition.
{ lib, board }:
lib.concatStringsSep "\n" ([
  "arm_64bit=1"
  "enable_uart=1"
  "kernel=kernel"
  "initramfs initrd followkernel"
  "disable_overscan=1"
  "dtparam=watchdog=on"
] ++ lib.optional (board == "rpi4") "arm_boost=1") + "\n"
