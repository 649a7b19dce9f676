#!/bin/sh
# Deep1M: the first 1,000,000 vectors of Deep1B, 96 x f32, L2 (Babenko, Lempitsky 2016), fbin as in big-ann-benchmarks.
# CC BY 4.0. Only the parts needed are downloaded: 384 MB of base, 77 MB of learn (200,000), 4 MB of queries.
# usage: datasets/deep1m.sh [DIR]
set -eu
. "$(dirname "$0")/common.sh"
target deep1m "${1:-}"
site=https://storage.yandexcloud.net/yandex-research/ann-datasets/DEEP

# slice FILE NAME COUNT: the first COUNT rows of a huge fbin file, with a header that says so.
slice() {
    [ -s "$dir/$2.fbin" ] && return 0
    fetch "$site/$1" "$dir/$2.part" -r "0-$((8 + $3 * 384 - 1))"
    expect "$dir/$2.part" $((8 + $3 * 384))
    tail -c +9 "$dir/$2.part" | bin "$3" 96 >"$dir/$2.tmp"
    mv "$dir/$2.tmp" "$dir/$2.fbin"
    rm "$dir/$2.part"
}

slice base.1B.fbin base 1000000
slice learn.350M.fbin learn 200000
slice query.public.10K.fbin query 10000
truth base.fbin query.fbin
say "$dir"
