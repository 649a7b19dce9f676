# Shared by the scripts in this folder: sourced, not run.

say() { printf '%s\n' "$*"; }
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# need PACKAGE...: installs the missing ones with apt-get. Elsewhere than on Debian it only names them.
need() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "Not a Debian system: the build needs what Debian calls $*"
        return
    fi
    missing=
    for package; do
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
        *' installed') ;;
        *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || fail "missing packages:$missing (run as root: apt-get install$missing)"
        as_root=sudo
    fi
    say "Installing$missing"
    log=$(mktemp)
    # shellcheck disable=SC2086 # the lists are meant to be split
    if ! { $as_root apt-get -q update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
            -o DPkg::Lock::Timeout=300 install $missing; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        fail "apt-get could not install:$missing"
    fi
    rm -f "$log"
}

need_to_build() {
    need gcc libc6-dev cmake ninja-build pkg-config liburing-dev libxxhash-dev libopenblas-pthread-dev libjansson-dev
}

jobs() { nproc 2>/dev/null || echo 2; }

# quiet LOG COMMAND...: shows the end of the log only when the command fails.
quiet() {
    log=$1
    shift
    mkdir -p "$(dirname "$log")"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 60 "$log" >&2
        say "$* failed; the whole log is $log" >&2
        return 1
    fi
}

# build FOLDER CMAKE-OPTIONS...: configures and compiles into FOLDER, printing only trouble.
build() {
    folder=$1
    shift
    generator=
    if [ ! -f "$folder/CMakeCache.txt" ] && command -v ninja >/dev/null; then
        generator=-GNinja
    fi
    quiet "$folder/configure.log" cmake -S . -B "$folder" $generator "$@" &&
        quiet "$folder/compile.log" cmake --build "$folder" --parallel "$(jobs)"
}
