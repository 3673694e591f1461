# Packages of another Debian release, read through an apt state of our own: the machine's lists and packages stay as they
# are, and its own mirror is used. Sourced by tools/bootstrap.sh and tools/nix.sh.
# shellcheck shell=sh

# The machine's own package sources with the suite changed to another release's, as deb822 stanzas or one-line entries.
sources_of_release() {
    own=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -r "$list" ] || continue
        awk -v own="$own" -v wanted="$1" '$1 == "deb" {
            for (at = 2; at < NF; at++) if ($at == own) { $at = wanted; print; next }
        }' "$list"
    done > "$2/own.list"
    for stanzas in /etc/apt/sources.list.d/*.sources; do
        [ -r "$stanzas" ] || continue
        awk -v own="$own" -v wanted="$1" 'BEGIN { RS = ""; FS = "\n" } {
            found = 0
            for (line = 1; line <= NF; line++) if ($line ~ "^Suites:" && $line " " ~ "[: ]" own " ") {
                $line = "Suites: " wanted
                found = 1
            }
            if (found) { for (line = 1; line <= NF; line++) print $line; print "" }
        }' "$stanzas"
    done > "$2/own.sources"
}

# apt-get with all of its state below a folder, for one release: `apt_of_release RELEASE FOLDER ARGUMENTS`.
apt_of_release() {
    release_wanted=$1 apt_scratch=$2
    shift 2
    apt-get -q -o Dir::State="$apt_scratch/state" -o Dir::Cache="$apt_scratch/cache" -o Dir::Etc::sourcelist=/dev/null \
        -o Dir::Etc::sourceparts="$apt_scratch/sources" -o Dir::State::status="${APT_STATUS:-/var/lib/dpkg/status}" \
        -o APT::Default-Release="$release_wanted" -o Acquire::Languages=none -o Acquire::Retries=1 \
        -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@"
}

# Folders that apt needs below one; it fetches as a user of its own where it may, who must be able to read them.
apt_folders() {
    mkdir -p "$1/state/lists/partial" "$1/cache/archives/partial" "$1/sources" "$1/debs"
    chmod -R a+rX "$1"
}
