#!/bin/sh
# symbols.sh LIBRARY HEADERS: the shared library exports every function the headers declare, and nothing else;
# it does not bring an OpenMP runtime into the caller's process.
set -eu
library=$1
headers=$2
status=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nm -D --defined-only --without-symbol-versions "$library" | awk '$2 != "A" { print $3 }' | sort -u >"$work/exported"
sed -n 's/^GOSSET_API .*[ *]\(gosset_[a-z0-9_]*\)(.*/\1/p' "$headers"/*.h | sort -u >"$work/declared"

[ -s "$work/declared" ] || { echo "no GOSSET_API functions found in $headers"; exit 1; }
for name in $(comm -23 "$work/exported" "$work/declared"); do
    echo "$library exports $name, which no public header declares"
    status=1
done
for name in $(comm -13 "$work/exported" "$work/declared"); do
    echo "$library does not export $name, which a public header declares"
    status=1
done
if readelf -d "$library" | grep -E 'NEEDED.*(gomp|libomp|iomp)'; then
    echo "$library needs an OpenMP runtime"
    status=1
fi
if ldd "$library" | grep -E 'gomp|libomp|iomp'; then
    echo "$library loads an OpenMP runtime through a dependency: install the pthread or serial flavour of OpenBLAS"
    status=1
fi
readelf -d "$library" | grep -q 'SONAME.*libgosset\.so\.0' || { echo "$library: SONAME is not libgosset.so.0"; status=1; }
[ $status = 0 ] && echo "$(wc -l <"$work/exported") public functions, all exported, nothing else"
exit $status
