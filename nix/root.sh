# The build script of root.nix.
set -eu
mkdir -p "$out/usr/lib/hamlet/system" "$out/tmp"
for folder in dev efi proc root run sys var nix; do mkdir "$out/$folder"; done
# The store keeps no modes: whoever makes the filesystem sets these.
printf '%s\n' "1777 tmp" "0700 root" >"$out/.modes"

cp -R --no-dereference "$etc" "$out/etc"
chmod -R u+w "$out/etc"
# NixOS writes a file's mode, uid and gid into files beside it. Such an entry must be a file, not a link.
find "$out/etc" -name '*.mode' | LC_ALL=C sort | while read -r note; do
  entry=${note%.mode}
  mode=$(cat "$note")
  for id in uid gid; do
    case $(cat "$entry.$id") in 0 | +0 | root) ;; *)
      echo "hamlet: ${entry#"$out"} must belong to another than root, but root owns everything in the image" >&2
      exit 1
      ;;
    esac
  done
  rm -f "$note" "$entry.uid" "$entry.gid"
  [ "$mode" != direct-symlink ] || continue
  cp -L "$entry" "$entry.copy"
  mv "$entry.copy" "$entry"
  echo "$mode ${entry#"$out/"}" >>"$out/.modes"
done
for file in passwd group; do
  twice=$(cut -d : -f 3 "$out/etc/$file" | sort | uniq -d)
  [ -z "$twice" ] || { echo "hamlet: two entries of /etc/$file have the id $twice" >&2; exit 1; }
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
