#!/bin/sh
# readme.sh BUILD SOURCE: README.md tells the truth. Its C program is the one that tests/api compiles and runs; its shell
# commands (blocks marked sh) run, in order, in a copy of the tree's outside; every file it links to exists.
set -eu
build=$1
source=$2
readme=$source/README.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

block() { awk -v kind="$1" '$0 == "```" kind { on = 1; next } /^```/ { on = 0 } on' "$readme"; }

block c >"$work/example.c"
diff -u "$source/tests/api/readme_example.c" "$work/example.c" || {
    echo "the C program of README.md is not tests/api/readme_example.c"
    exit 1
}

for target in $(grep -oE '\]\([A-Za-z][^):#]*\)' "$readme" | tr -d '])(' | sort -u); do
    [ -e "$source/$target" ] || { echo "README.md links to $target, which does not exist"; exit 1; }
done

mkdir "$work/tree"
cd "$work/tree"
for name in datasets scripts examples include; do ln -s "$source/$name" $name; done
ln -s "$build" build
block sh >commands.sh
[ -s commands.sh ] || { echo "no shell commands found"; exit 1; }
sh -eux commands.sh
