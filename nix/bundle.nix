# A system bundle, as image/bundle/bundle.ts describes it: the folder that the assembler makes a disk of. No disk is made here.
{ lib, runCommand, erofs-utils, cryptsetup, constants }:
{ board # its name
, version
, builtS # date of the packages, seconds since 1970
, root # tree with links into the store; all they reach comes along
, kernel # path of the kernel's file
, initrd # path of the initrd
, osRelease
, efi ? null # { stub, loader } on boards with UEFI
, rpi ? null # { configTxt, firmware, deviceTrees }: a text and two folders
, components ? [ ] # of the bill of materials, beside what comes from the store: see image/bundle/sbom/sbom.ts
, outside ? [ ] # packages that the image has outside of its root
, parts ? { } # by name: store paths whose size people ask for
}:
let
  about = (lib.importJSON ./boards.json).${board};
  # Equal inputs, equal bytes: the store's own names are digests of all that went in.
  inputs = builtins.hashString "sha256" (builtins.unsafeDiscardStringContext (builtins.toJSON
    [ board version builtS "${root}" "${kernel}" "${initrd}" osRelease (if efi == null then null else "${efi.stub}") about constants ]));
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
  kernelArguments = about.kernelArguments;
  parts = lib.mapAttrsToList (name: path: "${name}=${path}") parts;
  exportReferencesGraph = [ "closure" root ];
} // lib.optionalAttrs (efi != null) {
  inherit (efi) stub loader;
} // lib.optionalAttrs (rpi != null) {
  inherit (rpi) configTxt firmware deviceTrees;
  firmwareFiles = about.firmware;
  deviceTreeFiles = about.deviceTrees;
})
  (builtins.readFile ./bundle.sh)
