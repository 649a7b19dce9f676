#!/bin/sh
# A set grown to COUNT vectors: those of its base, then new ones drawn around them by gosset-grow (see README.md). Learn
# vectors and queries are the set's own; the exact neighbours are computed anew: about 6 CPU-seconds for a thousand queries
# in a million vectors of 128 x u8.
# usage: datasets/grow.sh SET-FOLDER COUNT [DIR]      e.g. datasets/grow.sh ~/.cache/gosset-data/photosift-cc 1000000
#   environment: METRIC=l2|ip|cosine (of the neighbours)  QUERIES=N (only the first N; default all)
set -eu
. "$(dirname "$0")/common.sh"
[ $# -ge 2 ] || fail "usage: datasets/grow.sh SET-FOLDER COUNT [DIR]"
set_folder=$(cd "$1" && pwd)
count=$2
target "$(basename "$set_folder")-$count" "${3:-}"
for path in "$set_folder"/base.*; do ending=${path##*.}; done
[ -f "$set_folder/base.$ending" ] || fail "$set_folder has no base vectors"
cp "$set_folder/learn.$ending" "$set_folder/query.$ending" "$dir/"
if [ -n "${QUERIES:-}" ]; then
    case $ending in
    bvecs) element=1 ;;
    fvecs) element=4 ;;
    *) fail "QUERIES needs .bvecs or .fvecs" ;;
    esac
    dimension=$(od -An -t d4 -N 4 "$set_folder/query.$ending" | tr -d ' ')
    chmod u+w "$dir/query.$ending"
    head -c $((QUERIES * (4 + dimension * element))) "$set_folder/query.$ending" >"$dir/query.$ending"
fi
if [ ! -s "$dir/base.$ending" ]; then
    if [ -n "${GOSSET:-}" ]; then
        tool=$(dirname "$GOSSET")/gosset-grow
    else
        tool=$here/../build/bin/gosset-grow
    fi
    [ -x "$tool" ] || fail "no $tool; run scripts/build first"
    # Under another name until it is whole, but with the ending that says the format.
    "$tool" --base "$set_folder/base.$ending" --count "$count" --out "$dir/unfinished.$ending"
    mv "$dir/unfinished.$ending" "$dir/base.$ending"
fi
truth "base.$ending" "query.$ending" --metric "${METRIC:-l2}"
say "$dir"
