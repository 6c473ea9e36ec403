# A double of nixos-hardware's file: a kernel with the device trees that the board needs.
{ runCommand, boards, rpiVersion }:
let about = boards."rpi${toString rpiVersion}"; in
runCommand "linux-rpi" { trees = about.kernels.vendor.deviceTrees; file = "Image"; } ''
  mkdir -p $out/dtbs/broadcom $out/dtbs/overlays
  echo kernel >$out/Image
  for tree in $trees; do echo $tree >$out/dtbs/broadcom/$tree; done
  echo overlay >$out/dtbs/overlays/disable-bt.dtbo
  exit 0
''
