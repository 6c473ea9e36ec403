# A system bundle in the format of image/bundle/bundle.ts: the folder that the assembler turns into a disk.
{ lib, runCommand, erofs-utils, cryptsetup, constants }:
{ board # the board's name
, version
, builtS # date of the packages, seconds since 1970
, root # tree with links into the store; everything they reach is included
, kernel # path of the kernel file
, initrd # path of the initrd
, osRelease
, efi ? null # { stub, loader } on boards with UEFI
, rpi ? null # { configTxt, firmware, deviceTrees }: a text and two folders
, components ? [ ] # entries of the bill of materials that do not come from the store: see image/bundle/sbom/sbom.ts
, outside ? [ ] # packages that the image holds outside its root filesystem
, parts ? { } # name = store path: parts whose sizes the bundle reports
}:
let
  about = (lib.importJSON ./boards.json).${board};
  slot = builtins.head (builtins.filter (one: one.label == "root-a") (lib.importJSON ./layout.json).${about.layout}.partitions);
  # Equal inputs give equal bytes: a store path's name is a digest of everything it was built from.
  inputs = builtins.hashString "sha256" (builtins.unsafeDiscardStringContext (builtins.toJSON
    [ board version builtS "${root}" "${kernel}" "${initrd}" osRelease (if efi == null then null else "${efi.stub}") about constants slot ]));
  uuidOf = text:
    let part = builtins.substring; digest = builtins.hashString "sha256" text; in
    lib.concatStringsSep "-" [ (part 0 8 digest) (part 8 4 digest) (part 12 4 digest) (part 16 4 digest) (part 20 12 digest) ];
in
runCommand "hamlet-bundle-${board}-${version}"
({
  nativeBuildInputs = [ erofs-utils cryptsetup ];
  inherit board version builtS root kernel initrd osRelease inputs outside;
  inherit (constants) rootUuid veritySalt verityUuid;
  components = lib.removeSuffix "]" (lib.removePrefix "[" (builtins.toJSON components));
  serialNumber = "urn:uuid:${uuidOf "hamlet sbom ${inputs}"}";
  kernelArguments = about.kernelArguments ++ lib.optional (rpi != null) "console=${about.kernels.vendor.console}";
  slotBytes = builtins.floor (slot.sizeMiB * 1048576);
  parts = lib.mapAttrsToList (name: path: "${name}=${path}") parts;
  exportReferencesGraph = [ "closure" root ];
} // lib.optionalAttrs (efi != null) {
  inherit (efi) stub loader;
} // lib.optionalAttrs (rpi != null) {
  inherit (rpi) configTxt firmware deviceTrees;
  firmwareFiles = about.firmware;
  deviceTreeFiles = about.kernels.vendor.deviceTrees;
})
  (builtins.readFile ./bundle.sh)
