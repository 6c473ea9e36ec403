#!/bin/sh
# Prepares this computer for one job, and does nothing if it is ready:
#   sh system/setup.sh fast|start|test|bench
# Installs npm packages and, as root or with sudo, Debian packages. Needs no Node 24: an npm package brings it.
set -eu
cd "$(dirname "$0")/.."
job=${1:-start}

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Programs of the image builder and the virtual neighborhood.
start_packages="mmdebstrap uidmap debian-archive-keyring erofs-utils mtools dosfstools e2fsprogs cryptsetup-bin busybox-static systemd-boot-efi binutils zstd kmod cpio xz-utils
qemu-system-x86 qemu-system-arm qemu-user-static qemu-utils ovmf qemu-efi-aarch64 iproute2 wireguard-tools avahi-utils avahi-daemon dbus ca-certificates"
# For tests: tools for namespaces, a second implementation of each protocol, a browser.
test_packages="$start_packages fdisk device-tree-compiler nix-bin bmap-tools nftables wireguard-go mosquitto-clients iputils-ping procps tcpdump openssl openssh-client chromium zsh fish nginx-light python3"
# Other systems that the benchmarks compare with.
bench_packages="$test_packages genimage serf nebula tinc casync xdelta3 zchunk"
case $job in
  fast) packages="" ;;
  start) packages=$start_packages ;;
  test) packages=$test_packages ;;
  bench) packages=$bench_packages ;;
  *) fail "unknown job '$job': use fast, start, test or bench" ;;
esac

[ "$(uname -s)" = Linux ] || [ "$job" = fast ] || fail "images and the virtual neighborhood need Linux, and this is $(uname -s): use a Linux machine or a virtual one"
command -v npm >/dev/null 2>&1 || fail "npm is missing: install Node.js 20 or newer with npm (Debian, Ubuntu: apt install nodejs npm)"
node_major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null) || fail "node is missing: install Node.js 20 or newer"
[ "$node_major" -ge 20 ] || fail "Node.js $node_major is too old: install Node.js 20 or newer"

# npm packages: once for each lock file and platform.
stamp=node_modules/.hamlet-setup
wanted="$(cksum < package-lock.json) $(uname -sm)"
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ]; then
  say "installing npm packages (about a minute)"
  npm ci --no-audit --no-fund --loglevel=error || fail "npm ci failed: see its message above, then run this again"
  node_modules/.bin/node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 24 ? 0 : 1)' \
    || fail "the npm package 'node' did not install Node 24: allow install scripts (npm config set ignore-scripts false), then run this again"
  # npx and npm scripts find this project's command.
  ln -sf ../../cli/hamlet.ts node_modules/.bin/hamlet
  printf '%s\n' "$wanted" > "$stamp"
fi

[ -n "$packages" ] || exit 0
command -v dpkg-query >/dev/null 2>&1 || fail "this job needs Debian packages, and this is not Debian or Ubuntu: install the equivalents of $(echo $packages)"
missing=""
for package in $packages; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then as_root="sudo -n"
else
  fail "Debian packages are missing, and only root may install them. Run this, then try again:
  sudo apt-get update && sudo apt-get install --no-install-recommends$missing"
fi
say "installing Debian packages:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
apt() { $as_root apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "apt-get $1 failed: its last lines are above"; }; }
apt update
# Without recommended packages: they would pull in a desktop.
apt install -y --no-install-recommends $missing
# Tests start their own; the package would serve this computer's port 80.
case $missing in *nginx*) $as_root systemctl disable --now nginx >/dev/null 2>&1 || true ;; esac
say "ready"
