# Reads the [Install] sections of unit files at evaluation. NixOS takes units from `systemd.packages` but ignores those sections.
{ lib }:
folders:
let
  inherit (lib) concatMap concatMapStringsSep filter filterAttrs hasPrefix last listToAttrs nameValuePair removePrefix splitString;

  unitKinds = [ "service" "socket" "timer" "path" "mount" "automount" "target" ];
  unitsIn = folder:
    filter (name: builtins.elem (last (splitString "." name)) unitKinds)
      (if builtins.pathExists folder then builtins.attrNames (builtins.readDir folder) else [ ]);

  targets = verb: text:
    let
      sections = splitString "\n[Install]\n" text;
      lines = if builtins.length sections < 2 then [ ] else splitString "\n" (last sections);
    in
    filter (word: word != "") (splitString " " (concatMapStringsSep " " (removePrefix verb) (filter (hasPrefix verb) lines)));

  installOf = folder: name:
    let text = builtins.readFile (folder + "/${name}"); in
    filterAttrs (_: value: value != [ ]) { wantedBy = targets "WantedBy=" text; requiredBy = targets "RequiredBy=" text; };
in
filterAttrs (_: install: install != { })
  (listToAttrs (concatMap (folder: map (name: nameValuePair name (installOf folder name)) (unitsIn folder)) folders))
