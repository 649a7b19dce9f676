#!/bin/sh
# photosift-cc: 70,000 SIFT descriptors of photographs, 128 x u8, L2. Shipped with the project, see its README.
# usage: datasets/photosift-cc.sh [DIR]
set -eu
. "$(dirname "$0")/common.sh"
target photosift-cc "${1:-}"
need zstd
for name in base learn; do
    [ -s "$dir/$name.bvecs" ] && continue
    zstd -dqf "$here/photosift-cc/$name.bvecs.zst" -o "$dir/$name.tmp"
    mv "$dir/$name.tmp" "$dir/$name.bvecs"
done
cp "$here/photosift-cc/query.bvecs" "$here/photosift-cc/groundtruth.ivecs" "$dir/"
(cd "$dir" && sha256sum --quiet -c "$here/photosift-cc/SHA256SUMS") || fail "$dir holds other files than were shipped"
say "$dir"
