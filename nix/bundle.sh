# The build script of bundle.nix.
set -eu
mkdir -p "$out"

# The root filesystem is the tree plus every store path that it reaches. "closure" lists for each path: the path, its deriver,
# the number of its references, and the references.
copy() { cp -R --no-dereference --preserve=mode,timestamps "$@"; }
copy "$root" tree
chmod -R u+w tree
store=${root%/*}
mkdir -p "tree$store"
awk '{ print; getline; getline count; while (count-- > 0) getline }' closure | grep -vxF "$root" | LC_ALL=C sort -u >paths
# Not `cp -a`: it keeps hard links, which an optimised store has and another has not.
while read -r path; do
  copy "$path" "tree$store/"
done <paths
while read -r mode path; do
  chmod "$mode" "tree/$path"
  # The builder is not root and must be able to read it.
  chmod u+r "tree/$path"
done <tree/.modes
rm tree/.modes

# The bill of materials (CycloneDX 1.6) lists our own components and every store path in the image. Name and version are split as
# Nix splits them: before the first "-" that a digit follows.
mkdir -p tree/usr/share/hamlet
for path in $outside; do echo "$path"; done | LC_ALL=C sort -u - paths >packages
{
  printf '{"$schema":"http://cyclonedx.org/schema/bom-1.6.schema.json","bomFormat":"CycloneDX","specVersion":"1.6","serialNumber":"%s","version":1,' "$serialNumber"
  printf '"metadata":{"timestamp":"%s","component":{"type":"firmware","bom-ref":"image","name":"hamlet-%s","version":"%s"},' \
    "$(date -u -d "@$builtS" +%Y-%m-%dT%H:%M:%S.000Z)" "$board" "$version"
  printf '"properties":[{"name":"hamlet:board","value":"%s"},{"name":"hamlet:inputs","value":"%s"}]},"components":[' "$board" "$inputs"
  printf '%s' "$components"
  [ -z "$components" ] || printf ','
  awk '{
    base = $0; sub(/.*\//, "", base)
    name = substr(base, 34); version = ""
    if (match(name, /-[0-9]/)) { version = substr(name, RSTART + 1); name = substr(name, 1, RSTART - 1) }
    purl = "pkg:nix/" name (version == "" ? "" : "@" version); gsub(/\+/, "%2B", purl)
    printf "%s{\"type\":\"library\",\"bom-ref\":\"%s\",\"name\":\"%s\",\"version\":\"%s\",\"purl\":\"%s\",\"properties\":[{\"name\":\"hamlet:origin\",\"value\":\"%s\"}]}", (NR > 1 ? "," : ""), base, name, version, purl, $0
  }' packages
  printf ']}\n'
} >"$out/sbom.cdx.json"
cp "$out/sbom.cdx.json" tree/usr/share/hamlet/sbom.cdx.json
# Hard links count each time, as in the image.
size() { du -slb --apparent-size "$1" | cut -f1; }
mib() { echo "$((($1 + 1048575) / 1048576)) MiB"; }
while read -r path; do printf '%s\t%s\n' "$(size "$path")" "${path##*/}"; done <paths | sort -k 1,1rn -k 2 >"$out/sizes.tsv"

# The default is the build machine's page size since erofs-utils 1.6, and always 4096 before.
blockSize=
if mkfs.erofs --help 2>&1 | grep -q -e '^ *-b#'; then blockSize=-b4096; fi
make_root() {
  mkfs.erofs --quiet $blockSize "$@" -Enoinline_data -x-1 --all-root -T"$builtS" -U"$rootUuid" "$out/root.erofs" tree >&2
  bytes=$(stat -c %s "$out/root.erofs")
}
make_root
compression=
if [ "$bytes" -gt "$slotBytes" ]; then
  echo "hamlet: the root filesystem has $(mib "$bytes"), more than the slot's $(mib "$slotBytes"): compressing it" >&2
  compression=lz4hc
  rm "$out/root.erofs"
  make_root -zlz4hc,12 -C65536
fi
if [ "$bytes" -gt "$slotBytes" ]; then
  # Nix shows the last ten lines.
  {
    echo "hamlet: the root filesystem has $(mib "$bytes") compressed; a slot of $board holds $(mib "$slotBytes"). The largest packages:"
    head -n 7 "$out/sizes.tsv" | while read -r bytes name; do echo "  $(mib "$bytes")  ${name#*-}"; done
    echo "hamlet: hint: leave packages out, or make root-a and root-b larger in nix/layout.json (this takes a new installation)"
  } >&2
  exit 1
fi
chmod -R u+w tree && rm -rf tree

veritysetup format --salt="$veritySalt" --uuid="$verityUuid" "$out/root.erofs" "$out/verity.img" >told
rootHash=$(sed -n 's/^Root hash:[[:space:]]*//p' told)
blocks=$(($(stat -c %s "$out/root.erofs") / 4096))

cp "$kernel" "$out/kernel"
cp "$initrd" "$out/initrd"
printf '%s' "$kernelArguments hamlet.verity=$rootHash hamlet.blocks=$blocks" >"$out/cmdline"
printf '%s' "$osRelease" >"$out/os-release"
if [ -n "${stub:-}" ]; then
  cp "$stub" "$out/stub.efi"
  cp "$loader" "$out/loader.efi"
fi
if [ -n "${configTxt:-}" ]; then
  printf '%s' "$configTxt" >"$out/config.txt"
  mkdir -p "$out/boot/overlays"
  for file in $firmwareFiles; do cp "$firmware/$file" "$out/boot/"; done
  for file in $deviceTreeFiles; do
    found=$(find -L "$deviceTrees" -name "$file" | head -n 1)
    [ -n "$found" ] || { echo "hamlet: the kernel has no device tree $file for $board" >&2; exit 1; }
    cp "$found" "$out/boot/"
  done
  for file in "$deviceTrees"/overlays/*.dtb*; do [ ! -e "$file" ] || cp "$file" "$out/boot/overlays/"; done
fi
chmod -R u+w "$out"

json() { # turns name=value lines into the members of a JSON object
  sep=
  while IFS='=' read -r name value; do printf '%s"%s":%s' "$sep" "$name" "$value"; sep=,; done
}
rest=$(stat -c %s "$out/root.erofs")
: >sizes
for part in $parts; do
  bytes=$(size "${part#*=}")
  rest=$((rest - bytes))
  echo "${part%%=*}=$bytes" >>sizes
done
[ "$rest" -ge 0 ] || rest=0
echo "nixos=$rest" >>sizes
(cd "$out" && find . -type f | sed 's|^\./||' | LC_ALL=C sort) >names
while read -r name; do
  printf '%s={"sha256":"%s","sizeBytes":%s}\n' "$name" "$(sha256sum <"$out/$name" | cut -d ' ' -f1)" "$(stat -c %s "$out/$name")"
done <names >facts
printf '{"format":2,%s"board":"%s","version":"%s","inputs":"%s","builtS":%s,"verity":{"rootHash":"%s","dataBlocks":%s},"parts":{%s},"files":{%s}}\n' \
  "${compression:+\"compression\":\"$compression\",}" "$board" "$version" "$inputs" "$builtS" "$rootHash" "$blocks" "$(json <sizes)" "$(json <facts)" >"$out/bundle.json"
exit 0
