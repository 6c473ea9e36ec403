# The build script of firmware.nix.
set -eu
from=$firmware/lib/firmware
mkdir -p "$out/lib/firmware"
# NixOS compresses firmware, and the kernel unpacks it.
have() {
  for file in "$from/$1" "$from/$1.xz" "$from/$1.zst"; do [ ! -f "$file" ] || return 0; done
  return 1
}
take() {
  for file in "$from/$1" "$from/$1.xz" "$from/$1.zst"; do
    [ -f "$file" ] || continue
    mkdir -p "$out/lib/firmware/$(dirname "$1")"
    # Some are links to others.
    cp -L --no-preserve=mode "$file" "$out/lib/firmware/${file#"$from/"}"
  done
}
# iwlwifi asks for version N, then for each lower one.
older() { # <name>-<number>.ucode
  series=${1%-*}
  number=${1##*-}
  number=${number%.ucode}
  for file in "$from/$series"-*.ucode*; do
    other=${file#"$from/$series-"}
    other=${other%%.ucode*}
    case $other in "" | *[!0-9]*) continue ;; esac
    [ "$other" -ge "$number" ] || echo "$other"
  done | sort -n | tail -n 1
}
find "$modules/lib/modules" -name '*.ko*' -exec modinfo -F firmware {} + | LC_ALL=C sort -u | grep -v '^brcm/' >asked || true
while read -r name; do
  if ! have "$name"; then
    case $name in *-[0-9]*.ucode) ;; *) continue ;; esac
    best=$(older "$name")
    [ -n "$best" ] || continue
    name=${name%-*}-$best.ucode
  fi
  take "$name"
  # Regulatory data of newer Intel cards, which the driver asks for while it runs.
  case $name in *-[0-9]*.ucode) take "${name%-*}.pnvm" ;; esac
done <asked
for beginning in $byName; do
  for file in "$from/$beginning"*; do
    [ -f "$file" ] || continue
    name=${file#"$from/"}
    name=${name%.xz}
    take "${name%.zst}"
  done
done
exit 0
