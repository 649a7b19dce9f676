#!/bin/sh
# complains.sh TIDY: makes a small tree with one offence a file and expects each to be named.
set -eu
tidy=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src/base" "$work/src/lattice" "$work/src/train" "$work/src/index"
cd "$work"
echo 'add_library(all good.c include.c sibling.c upward.c door.c call.c wide.c tab.c long.c)' >CMakeLists.txt

cat >src/base/good.c <<'END'
#include <gosset/common.h>
/* exit(1) in a comment, and "abort()" in a string, are only words. */
int good(void);
int good(void) {
    return sizeof "abort()" > 1;
}
END
"$tidy" "$work" >out 2>&1 || { cat out; echo "complains about a clean tree"; exit 1; }

echo '#include "index/store.h"' >src/train/sibling.c
echo '#include "train/model.h"' >src/lattice/upward.c
echo '#include <liburing.h>' >src/index/door.c
printf 'int call(void) {\n    abort ();\n}\n' >src/index/call.c
printf 'int wide; /* %0130d */\n' 1 >src/index/wide.c
printf 'int\ttab;\n' >src/index/tab.c
{
    echo 'int lengthy(void) {'
    seq 80 | sed 's/.*/    lengthy();/'
    echo '}'
} >src/index/long.c
echo 'int unlisted;' >src/index/unlisted.c

if "$tidy" "$work" >out 2>&1; then
    echo "accepts a tree full of offences"
    exit 1
fi
for offence in 'sibling.c:1: include law' 'upward.c:1: include law' 'door.c:1: an outside library' 'call.c:2: call not' \
    'wide.c:1: longer' 'tab.c:1: tab' 'long.c:1: a function' 'unlisted.c:1: named in no'; do
    grep -q "$offence" out || { cat out; echo "missed: $offence"; exit 1; }
done
grep -q ' 8 complaints' out || { cat out; echo "expected 8 complaints"; exit 1; }
