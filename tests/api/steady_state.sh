#!/bin/sh
# steady_state.sh PROGRAM INDEX VECTORS: between its marks the program makes no system call but io_uring_enter, and
# not many of these. 77 where there is no strace, it may not trace, or io_uring is not to be had.
set -eu
program=$1
index=$2
vectors=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Under a sanitizer: the search for leaks traces the process itself, which only one can.
export ASAN_OPTIONS=detect_leaks=0
command -v strace >/dev/null || { echo "strace is not installed"; exit 77; }
strace -o "$work/probe" true 2>/dev/null || { echo "strace may not trace here"; exit 77; }

for mode in alone batch submit; do
    strace -f -o "$work/calls" "$program" "$index" "$vectors" "$mode" >"$work/out" || { cat "$work/out"; exit 1; }
    cat "$work/out"
    case $(cat "$work/out") in
    uring:*) ;;
    *) echo "io_uring is not allowed here"; exit 77 ;;
    esac
    # With -f a line begins with the thread's number; a call that is interrupted by another thread's has two lines.
    awk '/getppid\(/ { marks++; next } marks == 1 && !/resumed>/ { sub(/^[0-9]+ +/, ""); sub(/\(.*/, ""); print }' \
        "$work/calls" | sort | uniq -c >"$work/counts"
    queries=$(sed 's/.*: \([0-9]*\) queries.*/\1/' "$work/out")
    [ "$(grep -c 'getppid(' "$work/calls")" = 2 ] || { echo "the marks are missing"; exit 1; }
    if grep -v ' io_uring_enter$' "$work/counts"; then
        echo "$mode: system calls other than io_uring_enter (above) in the steady state"
        exit 1
    fi
    enters=$(awk '{ print $1 }' "$work/counts")
    echo "$mode: ${enters:-0} io_uring_enter for $queries queries"
    # One starts a query's reads and takes in those of others; alone, its reads begin in up to four parts, and what
    # is here is looked at before the rest is waited for.
    most=$((queries * 5 / 4))
    # Submitted: once more in the middle of the planning, to take in what others read.
    [ "$mode" = submit ] && most=$((queries * 9 / 4))
    [ "$mode" = alone ] && most=$((queries * 5))
    [ "${enters:-0}" -gt 0 ] && [ "$enters" -le "$most" ] || { echo "expected at most $most"; exit 1; }
done
