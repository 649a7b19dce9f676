#!/bin/sh
# fashion-mnist: 60,000 + 10,000 images of clothes, 784 x u8, L2 (Xiao, Rasul, Vollgraf 2017). MIT. From Debian's package
# dataset-fashion-mnist (30 MB). The learn set is the base, as there is no other; queries are the test images.
# usage: datasets/fashion-mnist.sh [DIR]
set -eu
. "$(dirname "$0")/common.sh"
target fashion-mnist "${1:-}"
images=/usr/share/datasets/fashion-mnist

# An IDX file of images is 16 bytes of header, then the pixels row by row: what u8bin wants behind its own header.
# convert FILE COUNT NAME
convert() {
    [ -s "$dir/$3.u8bin" ] && return 0
    zcat "$images/$1" | tail -c +17 | bin "$2" 784 >"$dir/$3.tmp"
    expect "$dir/$3.tmp" $((8 + $2 * 784))
    mv "$dir/$3.tmp" "$dir/$3.u8bin"
}

[ -e "$images/train-images-idx3-ubyte.gz" ] || need dataset-fashion-mnist
[ -e "$images/train-images-idx3-ubyte.gz" ] || fail "Debian's package dataset-fashion-mnist is needed"
convert train-images-idx3-ubyte.gz 60000 base
convert t10k-images-idx3-ubyte.gz 10000 query
ln -sf base.u8bin "$dir/learn.u8bin"
(cd "$dir" && sha256sum --quiet -c) <<END || fail "$dir holds other files than the package of 2020-05-23 gives"
2c63862659e6e3faf2948be96c631c7cfeaa1bd2c9898420e7e81f746e78ac45  base.u8bin
3a95a382ccc4092bbcc157fd6e49ecf8ca6880e1d7d1c2197d8d1b8f98fde3b8  query.u8bin
END
truth base.u8bin query.u8bin
say "$dir"
