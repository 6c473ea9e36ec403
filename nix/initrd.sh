# The build script of initrd.nix.
set -eu
mkdir root
cd root
mkdir -p bin dev etc modules proc root run sys usr var
cp "$init" init
cp "$rescue" rescue
cp "$busybox" bin/busybox
chmod 755 init bin/busybox
for applet in $applets; do ln -s busybox "bin/$applet"; done
echo "$veritySalt" >etc/verity-salt
echo "$agentUserId" >etc/agent-group
: >modules/order
: >modules/rescue
# Keep modprobe's load order, and unpack the modules here so that busybox need not know the compression.
if [ -e "$modules/insmod-list" ]; then
  while read -r path; do
    file=${path##*/}
    name=$(echo "${file%%.ko*}" | tr - _).ko
    [ ! -e "modules/$name" ] || continue
    case $file in
      *.xz) xz -dc "$path" >"modules/$name" ;;
      *.zst) zstd -q -dc "$path" >"modules/$name" ;;
      *) cp "$path" "modules/$name" ;;
    esac
    case " $inRescue " in
      *" ${name%.ko} "*) echo "$name" >>modules/rescue ;;
      *) echo "$name" >>modules/order ;;
    esac
  done <"$modules/insmod-list"
fi
find . -exec touch -h -d @1 {} +
mkdir -p "$out"
find . -mindepth 1 | sed 's|^\./||' | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible | zstd -q -12 >"$out/initrd"
cat "$withLibraries/initrd" >>"$out/initrd"
exit 0
