#!/bin/sh
# GIST1M: 1,000,000 GIST descriptors, 960 x f32, L2 (TEXMEX, Jegou, Douze, Schmid 2011). CC0. Download 2.6 GB.
# usage: datasets/gist1m.sh [DIR]
set -eu
. "$(dirname "$0")/common.sh"
target gist1m "${1:-}"
if [ ! -s "$dir/base.fvecs" ]; then
    fetch ftp://ftp.irisa.fr/local/texmex/corpus/gist.tar.gz "$dir/gist.tar.gz"
    tar -xzf "$dir/gist.tar.gz" -C "$dir"
    for name in base learn query; do mv "$dir/gist/gist_$name.fvecs" "$dir/$name.fvecs"; done
    mv "$dir/gist/gist_groundtruth.ivecs" "$dir/groundtruth.ivecs"
    rm -rf "$dir/gist" "$dir/gist.tar.gz"
fi
expect "$dir/base.fvecs" $((1000000 * 3844))
expect "$dir/learn.fvecs" $((500000 * 3844))
expect "$dir/query.fvecs" $((1000 * 3844))
expect "$dir/groundtruth.ivecs" $((1000 * 404))
say "$dir"
