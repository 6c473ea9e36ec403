# The build script of files.nix.
set -eu
units=$out/lib/systemd/system
mkdir -p "$units" "$out/lib/udev/rules.d" "$out/lib/hamlet" "$out/bin"
for program in "$programs"/*.mjs; do ln -s "$program" "$out/lib/hamlet/"; done
for script in $scripts; do
  # The store names it "<hash>-grow-data".
  name=$(basename "$script" | sed 's/^[0-9a-z]\{32\}-//')
  cp "$script" "$out/lib/hamlet/$name"
  chmod 755 "$out/lib/hamlet/$name"
done
for folder in $folders; do
  for file in "$folder"/*; do
    name=${file##*/}
    case $name in
      *.service | *.socket | *.timer | *.path | *.mount | *.automount | *.target) cp "$file" "$units/" ;;
      # Debian calls the service ssh, NixOS sshd.
      ssh.service.d) mkdir -p "$units/sshd.service.d" && cp "$file"/* "$units/sshd.service.d/" ;;
      *.d) mkdir -p "$units/$name" && cp "$file"/* "$units/$name/" ;;
      *.rules) cp "$file" "$out/lib/udev/rules.d/" ;;
      *.*) ;;
      # A file without an extension is a shell script that a unit starts.
      *) cp "$file" "$out/lib/hamlet/" && chmod 755 "$out/lib/hamlet/$name" ;;
    esac
  done
done
# The caller's programs come first.
printf '#!/bin/sh\nPATH=$PATH:%s exec %s %s/lib/hamlet/hamlet.mjs "$@"\n' "$commandPath" "$node" "$out" >"$out/bin/hamlet"
chmod 755 "$out/bin/hamlet"

find "$units" "$out/lib/udev" -type f | while read -r file; do
  chmod 644 "$file"
  # One pair a line, because pairs contain spaces. Conditions ask for files of the image, not of this package.
  printf '%s\n' "$moved" "/usr/lib/hamlet/:$out/lib/hamlet/" | while IFS=: read -r from to; do sed -i "/^Condition/!s|$from|$to|g" "$file"; done
  # A unit left with a path that only Debian has would fail on the device, not in this build.
  if grep -E '^Exec[A-Za-z]*=[-@:+!|]*(/usr|/sbin|/bin/)' "$file" | grep -v '=[-@:+!|]*/bin/sh '; then
    echo "hamlet: $file starts a program by a path that NixOS does not have: add its path to nix/files.nix" >&2
    exit 1
  fi
  for path in $(grep -o "$out/lib/hamlet/[A-Za-z0-9._-]*" "$file"); do
    [ -e "$path" ] || { echo "hamlet: $file names ${path##*/}, which is not in this package" >&2; exit 1; }
  done
done
exit 0
