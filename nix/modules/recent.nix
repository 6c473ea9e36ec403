# Settings whose options came with the last two releases of NixOS. Each is guarded, so that the modules work without it.
{ lib, options, ... }:
let
  ifThere = path: value: lib.optionalAttrs (lib.hasAttrByPath path options) (lib.setAttrByPath path value);
in
{
  config = lib.mkMerge [
    # sshd's drop-in makes the key after first boot has mounted and filled the data partition. A unit of NixOS's own would race it.
    (ifThere [ "services" "openssh" "generateHostKeys" ] false)
    # Users are static files in the image: nothing creates them at boot.
    (ifThere [ "services" "userborn" "static" ] true)
  ];
}
