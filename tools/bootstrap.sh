#!/bin/sh
# Prepares a checkout: Debian packages, a virtual environment from hashed pins, the members in it; then runs `tools.dev`.
# Everything is kept below .venv and .cache; a second run that finds nothing to do takes a few milliseconds.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
venv="$root/.venv"

say() { printf '%s\n' "$*" >&2; }

# Packages of the given purposes.
wanted_packages() { for purpose in $purposes; do sed -n "s/^$purpose //p" "$root/tools/packages.debian"; done; }

missing_packages() {
    # shellcheck disable=SC2046 # one word a package
    installed=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' $(wanted_packages) 2> /dev/null || :)
    for package in $(wanted_packages); do
        printf '%s\n' "$installed" | grep -qx "installed $package" || printf '%s ' "$package"
    done
}

install_packages() {
    if ! command -v dpkg-query > /dev/null 2>&1; then
        [ -x "$venv/bin/python" ] || say "This is not Debian: have at hand what these Debian packages hold:" $(wanted_packages)
        return 0
    fi
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    line="apt-get update && apt-get install --yes --no-install-recommends $missing"
    if [ "$(id -u)" != 0 ]; then
        say "Missing Debian packages. Run this once, then again what you ran:"
        say "    sudo sh -c '$line'"
        exit 1
    fi
    say "Installing Debian packages: $missing"
    mkdir -p "$root/.cache"
    if ! DEBIAN_FRONTEND=noninteractive sh -c "$line" > "$root/.cache/apt.log" 2>&1 < /dev/null; then
        say "apt-get failed; its last lines (all of it: $root/.cache/apt.log):"
        tail -n 15 "$root/.cache/apt.log" >&2
        exit 1
    fi
}

unpack_packages() {
    command -v dpkg-deb > /dev/null 2>&1 || return 0
    for package in $(purposes=unpack wanted_packages); do
        [ ! -e "$root/.cache/debian/$package.unpacked" ] || continue
        say "Unpacking the Debian package $package below .cache (not installed)"
        scratch="$root/.cache/debian/$package.deb.d"
        rm -rf "$scratch"
        mkdir -p "$scratch"
        chmod 755 "$scratch"
        if ! (cd "$scratch" && apt-get download "$package" && dpkg-deb -x ./*.deb "$root/.cache/debian") \
            > "$root/.cache/unpack.log" 2>&1; then
            say "Could not fetch $package; what needs it will say so. The reason: $root/.cache/unpack.log"
            return 0
        fi
        rm -rf "$scratch"
        touch "$root/.cache/debian/$package.unpacked"
    done
}

# Packages of a newer release, read through an apt state of our own: the machine's lists and packages stay as they are.
unpack_release() {
    command -v apt-get > /dev/null 2>&1 || return 0
    . "$root/tools/releases.sh"
    release=$1
    base="$root/.cache/$release"
    wanted=$(purposes=$release wanted_packages | tr '\n' ' ')
    [ "$(cat "$base/unpacked" 2> /dev/null)" != "$wanted" ] || return 0
    say "Unpacking packages of Debian $release below .cache (not installed): $wanted"
    # Two checkouts' commands may do this at once.
    scratch="$base/apt.$$"
    apt_folders "$scratch"
    chmod -R a+rX "$base"
    sources_of_release "$release" "$scratch/sources"
    log="$root/.cache/unpack-$release.log"
    # A source of somebody else's that has no such release fails the update and leaves the lists we need.
    # shellcheck disable=SC2086 # one word a package
    if ! {
        apt_of_release "$release" "$scratch" update || :
        cd "$scratch/debs" && apt_of_release "$release" "$scratch" download $wanted
        for package in ./*.deb; do dpkg-deb -x "$package" "$base"; done
    } > "$log" 2>&1 < /dev/null; then
        cd "$root"
        rm -rf "$scratch"
        say "Could not fetch them; what needs them will say so. The reason ($log): $(grep '^[EW]: ' "$log" | head -n 1)"
        return 0
    fi
    cd "$root"
    rm -rf "$scratch"
    printf '%s' "$wanted" > "$base/unpacked"
}

find_python() {
    for candidate in python3.13 python3.12 python3.11 python3; do
        command -v "$candidate" > /dev/null 2>&1 || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
            printf '%s' "$candidate"
            return 0
        fi
    done
    say "No Python 3.11 or newer found. On Debian 12: apt-get install python3 python3-venv"
    exit 1
}

# The list of the root pyproject.toml, whose patterns the shell expands: there is no other one to forget a member in.
members() {
    for pattern in $(sed -n 's/^members = \[\(.*\)\]$/\1/p' pyproject.toml | tr -d '",'); do
        for member in $pattern; do [ ! -f "$member/pyproject.toml" ] || printf '%s\n' "$member"; done
    done
}

wanted_stamp() {
    cat requirements-build.lock requirements.lock
    for member in $(members); do cat "$member/pyproject.toml"; done
    printf '%s' "$root"
}

# An environment of somebody else's may be whole and only out of our reach: it is neither used nor replaced.
require_writable() {
    for place in "$root" "$venv" "$root/.cache"; do
        [ -e "$place" ] || continue
        [ -w "$place" ] && continue
        say "$place cannot be written by $(id -un), so the Python environment cannot be set up."
        say "Run it as the owner, $(stat -c %U "$place"), with sudo, or in a checkout of your own on a writable disk."
        exit 1
    done
}

is_installed() { [ -x "$venv/bin/python" ] && [ "$(cat "$venv/.stamp" 2> /dev/null)" = "$stamp" ]; }

install_environment() {
    stamp=$(wanted_stamp | cksum)
    is_installed && return 0
    require_writable
    mkdir -p "$root/.cache"
    # Of two that find the same thing to do, one does it and the other finds it done.
    exec 9> "$root/.cache/lock"
    ! command -v flock > /dev/null 2>&1 || flock 9
    if is_installed; then
        exec 9>&-
        return 0
    fi
    python=$(find_python)
    say "Setting up the Python environment in .venv (once, about a minute)"
    "$venv/bin/python" -c '' 2> /dev/null || { rm -rf "$venv" && "$python" -m venv "$venv"; }
    log="$root/.cache/pip.log"
    set --
    for member in $(members); do set -- "$@" --editable "$root/$member"; done
    if ! {
        "$venv/bin/python" -m pip install --disable-pip-version-check --require-hashes -r requirements-build.lock &&
            "$venv/bin/python" -m pip install --disable-pip-version-check --require-hashes --no-build-isolation \
                -r requirements.lock &&
            "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps --no-build-isolation "$@"
    } > "$log" 2>&1; then
        say "pip failed; its last lines (all of it: $log):"
        tail -n 15 "$log" >&2
        exit 1
    fi
    printf '%s' "$stamp" > "$venv/.stamp"
    exec 9>&-
}

purposes="build run"
case "${1:-}" in
    '' | help | -h | --help)
        cat "$root/tools/usage.txt"
        exit 0
        ;;
    test | check | bench | sim)
        purposes="build run test"
        install_packages
        unpack_packages
        unpack_release trixie
        # What needs Nix says why it is not there.
        [ "$1" != test ] || "$root/tools/nix.sh" || :
        ;;
    *) install_packages ;;
esac
install_environment
exec "$venv/bin/python" -m tools.dev "$@"
