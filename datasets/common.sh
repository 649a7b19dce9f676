# shellcheck shell=sh
# Shared by the scripts in this folder: sourced, not run. Each makes learn, base, query and groundtruth.ivecs in a
# folder of its own and does nothing for files that are there already.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../scripts/common.sh"

# target NAME [DIR]: sets $dir, the folder to write to.
target() {
    dir=${2:-${GOSSET_DATA:-$HOME/.cache/gosset-data}/$1}
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
}

# The tool, for exact neighbours: $GOSSET, else the one built here, else the installed one.
gosset() {
    if [ -n "${GOSSET:-}" ]; then
        "$GOSSET" "$@"
    elif [ -x "$here/../build/bin/gosset" ]; then
        "$here/../build/bin/gosset" "$@"
    else
        command gosset "$@" || fail "no working gosset; run scripts/build first"
    fi
}

# fetch URL FILE [CURL-OPTIONS]: downloads to FILE; a broken download leaves none.
fetch() {
    url=$1 file=$2
    shift 2
    [ -s "$file" ] && return 0
    need curl ca-certificates
    say "Fetching $url"
    if ! curl -fL --retry 2 --connect-timeout 20 --no-progress-meter "$@" -o "$file.tmp" "$url"; then
        rm -f "$file.tmp"
        fail "cannot fetch $url: is there a network? (The files can also be put into $dir by hand.)"
    fi
    mv "$file.tmp" "$file"
}

# le32 NUMBER: four bytes, little-endian.
le32() {
    # shellcheck disable=SC2059 # the format is the data
    printf "$(printf '\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)))"
}

# bin COUNT DIMENSION < ROWS > FILE: rows with the header of .fbin, .u8bin, .i8bin.
bin() {
    le32 "$1"
    le32 "$2"
    cat
}

# expect FILE SIZE: the size is known, so a wrong one is a wrong file.
expect() {
    size=$(wc -c <"$1" | tr -d ' ')
    [ "$size" = "$2" ] || fail "$1: $size bytes, expected $2; remove it and try again"
}

# truth BASE QUERY [OPTIONS]: exact neighbours, unless they are there.
truth() {
    base=$1 query=$2
    shift 2
    [ -s "$dir/groundtruth.ivecs" ] && return 0
    say "Computing the exact neighbours"
    gosset truth --base "$dir/$base" --query "$dir/$query" -k 100 --out "$dir/groundtruth.ivecs" --quiet "$@" >/dev/null
}
