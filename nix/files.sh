# The builder of files.nix.
set -eu
units=$out/lib/systemd/system
mkdir -p "$units" "$out/lib/udev/rules.d" "$out/lib/hamlet" "$out/bin"
for program in "$programs"/*.mjs; do ln -s "$program" "$out/lib/hamlet/"; done
for script in $scripts; do
  # "<hash>-grow-data" in the store
  name=$(basename "$script" | sed 's/^[0-9a-z]\{32\}-//')
  cp "$script" "$out/lib/hamlet/$name"
  chmod 755 "$out/lib/hamlet/$name"
done
for folder in $folders; do
  for file in "$folder"/*; do
    case $file in
      *.service | *.socket | *.timer | *.path | *.mount | *.automount | *.target) cp "$file" "$units/" ;;
      */ssh.service.d) mkdir -p "$units/sshd.service.d" && cp "$file"/* "$units/sshd.service.d/" ;;
      *.d) mkdir -p "$units/${file##*/}" && cp "$file"/* "$units/${file##*/}/" ;;
      *.rules) cp "$file" "$out/lib/udev/rules.d/" ;;
    esac
  done
done
printf '#!/bin/sh\nexec %s %s/lib/hamlet/hamlet.mjs "$@"\n' "$node" "$out" >"$out/bin/hamlet"
chmod 755 "$out/bin/hamlet"

find "$units" "$out/lib/udev" -type f | while read -r file; do
  chmod 644 "$file"
  for pair in $moved "/usr/lib/hamlet/=$out/lib/hamlet/"; do sed -i "s|${pair%%=*}|${pair#*=}|g" "$file"; done
  # A program that stays where only Debian has it would fail on the device, and nobody would see it here.
  if grep -E '^Exec[A-Za-z]*=[-@:+!|]*(/usr|/sbin|/bin/)' "$file" | grep -v '=[-@:+!|]*/bin/sh '; then
    echo "hamlet: $file starts a program by a path that NixOS does not have" >&2
    exit 1
  fi
done
exit 0
