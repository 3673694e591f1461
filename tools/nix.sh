#!/bin/sh
# Unpacks Nix of Debian sid below .cache/nix, with every library it needs; nothing is installed, and no daemon runs.
# Afterwards `.cache/nix/bin/nix` is a Nix with a store, a state and a configuration of its own. A second run does nothing.
# Sid's, because bookworm's Nix is too old for flakes as they are now; not installed, because that would replace libc.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/tools/releases.sh"
base="$root/.cache/nix"
log="$root/.cache/unpack-nix.log"
recipe="nix-bin patchelf 2"

[ "$(cat "$base/unpacked" 2> /dev/null)" != "$recipe" ] || exit 0

refuse() {
    mkdir -p "$base"
    printf '%s\n' "$1" > "$base/missing"
    printf 'Nix is not there: %s. What needs it will say so.\n' "$1" >&2
    exit 1
}

[ "$(uname -m)" = x86_64 ] || refuse "this machine is no x86_64"
command -v apt-get > /dev/null 2>&1 || refuse "this machine has no apt-get to fetch it with"
mkdir -p "$root/.cache"
exec 8> "$root/.cache/nix.lock"
! command -v flock > /dev/null 2>&1 || flock 8
[ "$(cat "$base/unpacked" 2> /dev/null)" != "$recipe" ] || exit 0
printf 'Unpacking Nix of Debian sid below .cache/nix (not installed)\n' >&2

scratch="$base/apt.$$"
trap 'rm -rf "$scratch"' EXIT
apt_folders "$scratch"
chmod a+rX "$root/.cache" "$base"
sources_of_release sid "$scratch/sources"
# As if nothing were installed: then apt names every library, libc too.
: > "$scratch/status"
APT_STATUS="$scratch/status"
if ! {
    apt_of_release sid "$scratch" update || :
    apt_of_release sid "$scratch" --no-install-recommends --download-only --yes install nix-bin patchelf
    rm -rf "$base/debian"
    for package in "$scratch/cache/archives/"*.deb; do dpkg-deb -x "$package" "$base/debian"; done
} > "$log" 2>&1 < /dev/null; then
    refuse "$(grep '^[EW]: ' "$log" | head -n 1) (all of it: $log)"
fi

libraries="$base/debian/usr/lib/x86_64-linux-gnu"
linker="$libraries/ld-linux-x86-64.so.2"
# An interpreter of its own by path, or the programs would start with the machine's older libc.
"$linker" --library-path "$libraries" "$base/debian/usr/bin/patchelf" --force-rpath --set-rpath "$libraries" \
    --set-interpreter "$linker" "$base/debian/usr/bin/nix" >> "$log" 2>&1 || refuse "patchelf failed (see $log)"

mkdir -p "$base/bin" "$base/conf"
cat > "$base/conf/nix.conf" << CONF
experimental-features = nix-command flakes
build-users-group =
sandbox = false
substituters =
flake-registry =
warn-dirty = false
CONF
cat > "$base/bin/nix" << WRAPPER
#!/bin/sh
# Made by tools/nix.sh: a Nix whose store, state and settings are all in one folder, NIX_HOME if that is set.
home=\${NIX_HOME:-$base}
export NIX_STORE_DIR="\$home/store" NIX_STATE_DIR="\$home/var" NIX_LOG_DIR="\$home/log" NIX_CONF_DIR='$base/conf'
export NIX_CACHE_HOME="\$home/cache" NIX_CONFIG_HOME='$base/conf' NIX_DATA_HOME="\$home/data" NIX_STATE_HOME="\$home/var"
exec '$base/debian/usr/bin/nix' "\$@"
WRAPPER
chmod 755 "$base/bin/nix"
"$base/bin/nix" --version >> "$log" 2>&1 || refuse "it does not start (see $log)"
rm -f "$base/missing"
printf '%s' "$recipe" > "$base/unpacked"
