#!/bin/sh
# Makes this computer ready for one job, and does nothing when it already is:
#   sh system/setup.sh fast|start|test|bench
# Installs the npm packages and, where it may, the Debian packages that the job runs. Needs no Node 24: that comes with npm.
set -eu
cd "$(dirname "$0")/.."
job=${1:-start}

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# What the image builder and the virtual neighborhood run.
start_packages="mmdebstrap uidmap debian-archive-keyring erofs-utils mtools dosfstools e2fsprogs cryptsetup-bin busybox-static systemd-boot-efi binutils zstd kmod cpio xz-utils
qemu-system-x86 qemu-system-arm qemu-user-static qemu-utils ovmf qemu-efi-aarch64 iproute2 wireguard-tools avahi-utils avahi-daemon dbus ca-certificates"
# What the tests talk to or run in: namespaces, a second implementation of each protocol, a browser.
test_packages="$start_packages fdisk device-tree-compiler nix-bin bmap-tools nftables wireguard-go mosquitto-clients iputils-ping procps tcpdump openssl openssh-client chromium"
# The peers that the figures stand beside.
bench_packages="$test_packages genimage serf nebula tinc"
case $job in
  fast) packages="" ;;
  start) packages=$start_packages ;;
  test) packages=$test_packages ;;
  bench) packages=$bench_packages ;;
  *) fail "unknown job '$job': use fast, start, test or bench" ;;
esac

[ "$(uname -s)" = Linux ] || [ "$job" = fast ] || fail "images and the virtual neighborhood are built on Linux; this is $(uname -s). Use a Linux machine or virtual machine."
command -v npm >/dev/null 2>&1 || fail "npm is missing: install Node.js 20 or newer with npm (Debian, Ubuntu: apt install nodejs npm)"
node_major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null) || fail "node is missing: install Node.js 20 or newer"
[ "$node_major" -ge 20 ] || fail "Node.js $node_major is too old to install from: 20 or newer is needed"

# npm: once per lock file and platform.
stamp=node_modules/.hamlet-setup
wanted="$(cksum < package-lock.json) $(uname -sm)"
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ]; then
  say "installing npm packages (about a minute)"
  npm ci --no-audit --no-fund --loglevel=error || fail "npm ci did not succeed: read its message above, then run this again"
  node_modules/.bin/node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 24 ? 0 : 1)' \
    || fail "the npm package 'node' did not bring Node 24: allow its install script (npm config set ignore-scripts false), then run this again"
  # npx and npm scripts find the project's own command like any other.
  ln -sf ../../cli/hamlet.ts node_modules/.bin/hamlet
  printf '%s\n' "$wanted" > "$stamp"
fi

[ -n "$packages" ] || exit 0
command -v dpkg-query >/dev/null 2>&1 || fail "this job needs Debian packages and this is not Debian or Ubuntu. Install the equivalents of: $(echo $packages)"
missing=""
for package in $packages; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then as_root="sudo -n"
else
  fail "Debian packages are missing and only root may install them. Run this once, then try again:
  sudo apt-get update && sudo apt-get install --no-install-recommends$missing"
fi
say "installing Debian packages:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
apt() { $as_root apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "apt-get $1 did not succeed (its last lines are above)"; }; }
apt update
# No recommends: a firmware builder need not bring a desktop.
apt install -y --no-install-recommends $missing
say "ready"
