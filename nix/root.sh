# The build script of root.nix.
set -eu
mkdir -p "$out/usr/lib/hamlet/system" "$out/tmp"
for folder in dev efi proc run sys var nix; do mkdir "$out/$folder"; done
chmod 1777 "$out/tmp"

cp -R --no-dereference "$etc" "$out/etc"
chmod -R u+w "$out/etc"
# NixOS writes a file's mode, uid and gid into files beside it. Such an entry must be a file, not a link; its owner is always root here.
find "$out/etc" -name '*.mode' | while read -r note; do
  entry=${note%.mode}
  mode=$(cat "$note")
  rm -f "$note" "$entry.uid" "$entry.gid"
  [ "$mode" != direct-symlink ] || continue
  cp -L "$entry" "$entry.copy"
  mv "$entry.copy" "$entry"
  # The builder is not root and must be able to read it; root owns everything in the image.
  chmod "$mode" "$entry"
  chmod u+r "$entry"
done
# machine-id(5): the initrd bind-mounts over this empty file.
rm -f "$out/etc/machine-id"
: >"$out/etc/machine-id"

for pair in $links; do
  rm -f "$out/${pair%%=*}"
  ln -s "${pair#*=}" "$out/${pair%%=*}"
done
# The initrd starts this script. NixOS's programs, above all kmod, look for the running system in /run.
mkdir "$out/usr/lib/systemd"
for file in "$systemd"/*; do ln -s "$file" "$out/usr/lib/systemd/"; done
rm "$out/usr/lib/systemd/systemd"
cat >"$out/usr/lib/systemd/systemd" <<END
#!/bin/sh
for name in current-system booted-system; do ln -s /usr/lib/hamlet/system "/run/\$name"; done
exec $systemd/systemd "\$@"
END
chmod 755 "$out/usr/lib/systemd/systemd"

for package in $packages; do
  for file in "$package"/lib/hamlet/*; do [ -e "$out/usr/lib/hamlet/${file##*/}" ] || ln -s "$file" "$out/usr/lib/hamlet/"; done
done
# Files rather than links, so that a reader of the image finds them without the store.
if [ -n "${update:-}" ]; then
  for file in "$update"/*.json; do [ ! -e "$file" ] || install -m 644 "$file" "$out/usr/lib/hamlet/"; done
fi
printf '%s' "$osRelease" >"$out/usr/lib/os-release"
printf '%s\n' "$release" >"$out/usr/lib/hamlet/release.json"
# PID 1 sets the clock to at least this file's date (systemd(1)).
: >"$out/usr/lib/clock-epoch"
exit 0
