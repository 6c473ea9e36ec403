# The builder of root.nix.
set -eu
mkdir -p "$out/usr/lib/hamlet/system" "$out/tmp"
for folder in dev efi proc run sys var nix; do mkdir "$out/$folder"; done
chmod 1777 "$out/tmp"

cp -R --no-dereference "$etc" "$out/etc"
chmod -R u+w "$out/etc"
# NixOS writes beside an entry what a file of its own has to have: mode, and an owner, which is always root here.
find "$out/etc" -name '*.mode' | while read -r note; do
  entry=${note%.mode}
  mode=$(cat "$note")
  rm -f "$note" "$entry.uid" "$entry.gid"
  [ "$mode" != direct-symlink ] || continue
  cp -L "$entry" "$entry.copy"
  mv "$entry.copy" "$entry"
  # The builder is not root and has to read it; everything in the image is root's.
  chmod "$mode" "$entry"
  chmod u+r "$entry"
done
# systemd.machine-id(5): an empty file takes the bind mount that the initrd makes.
rm -f "$out/etc/machine-id"
: >"$out/etc/machine-id"

for pair in $links; do
  rm -f "$out/${pair%%=*}"
  ln -s "${pair#*=}" "$out/${pair%%=*}"
done
# The initrd hands over here. NixOS's programs, kmod first of all, look for the running system in /run.
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
printf '%s' "$osRelease" >"$out/usr/lib/os-release"
printf '%s\n' "$release" >"$out/usr/lib/hamlet/release.json"
# PID 1 takes this file's date as the earliest time it can be (systemd(1)).
: >"$out/usr/lib/clock-epoch"
exit 0
