#!/bin/sh
# GloVe-100: 1,183,514 word vectors of tweets, 100 x f32, cosine, as ann-benchmarks splits them. PDDL. Download 463 MB.
# There is no learn set: it is the first 100,000 of the (shuffled) base, as users without one would do.
# usage: datasets/glove-100.sh [DIR]
set -eu
. "$(dirname "$0")/common.sh"
target glove-100 "${1:-}"

# part DATASET FILE: the raw numbers of one dataset of the HDF5 file.
part() { h5dump -d "/$1" -b LE -o "$2" "$dir/glove-100-angular.hdf5" >/dev/null; }

if [ ! -s "$dir/groundtruth.ivecs" ]; then
    need hdf5-tools
    fetch http://ann-benchmarks.com/glove-100-angular.hdf5 "$dir/glove-100-angular.hdf5"
    part train "$dir/train.tmp"
    part test "$dir/test.tmp"
    expect "$dir/train.tmp" $((1183514 * 400))
    expect "$dir/test.tmp" $((10000 * 400))
    bin 1183514 100 <"$dir/train.tmp" >"$dir/base.fbin"
    head -c $((100000 * 400)) "$dir/train.tmp" | bin 100000 100 >"$dir/learn.fbin"
    bin 10000 100 <"$dir/test.tmp" >"$dir/query.fbin"
    rm "$dir/train.tmp" "$dir/test.tmp"
    truth base.fbin query.fbin --metric cosine
    rm "$dir/glove-100-angular.hdf5"
fi
say "$dir"
