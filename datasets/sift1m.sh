#!/bin/sh
# SIFT1M: 1,000,000 SIFT descriptors, 128 x f32, L2 (TEXMEX, Jegou, Douze, Schmid 2011). CC0. Download 161 MB.
# usage: datasets/sift1m.sh [DIR]
set -eu
. "$(dirname "$0")/common.sh"
target sift1m "${1:-}"
if [ ! -s "$dir/base.fvecs" ]; then
    fetch ftp://ftp.irisa.fr/local/texmex/corpus/sift.tar.gz "$dir/sift.tar.gz"
    tar -xzf "$dir/sift.tar.gz" -C "$dir"
    for name in base learn query; do mv "$dir/sift/sift_$name.fvecs" "$dir/$name.fvecs"; done
    mv "$dir/sift/sift_groundtruth.ivecs" "$dir/groundtruth.ivecs"
    rm -rf "$dir/sift" "$dir/sift.tar.gz"
fi
expect "$dir/base.fvecs" $((1000000 * 516))
expect "$dir/learn.fvecs" $((100000 * 516))
expect "$dir/query.fvecs" $((10000 * 516))
expect "$dir/groundtruth.ivecs" $((10000 * 404))
say "$dir"
