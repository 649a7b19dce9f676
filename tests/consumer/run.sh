#!/bin/sh
# run.sh BUILD SOURCE: installs Gosset, moves the installed tree, and builds a project against it as users do:
# with pkg-config (shared and static) and with CMake's find_package (shared and static). All four must run.
set -eu
build=$1
source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc=${CC:-cc}

cmake --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/prefix" # everything installed must find itself by its own place
mkdir "$work/project"
cp "$source/tests/consumer/consumer.c" "$work/project/"
cp "$source/tests/consumer/project.cmake" "$work/project/CMakeLists.txt"
cd "$work/project"

pc=$(find "$work/prefix" -name gosset.pc)
[ -n "$pc" ] || { echo "no gosset.pc was installed"; exit 1; }
library=$(dirname "$(dirname "$pc")")
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
echo "pkg-config: gosset $(pkg-config --modversion gosset)"

# shellcheck disable=SC2046 # flags are meant to be split
$cc -std=c99 -Wall -Wextra -Wpedantic -Werror consumer.c -o by_pkg_config $(pkg-config --cflags --libs gosset) -lm
LD_LIBRARY_PATH=$library ./by_pkg_config

# shellcheck disable=SC2046
$cc -std=c99 consumer.c -o by_pkg_config_static $(pkg-config --cflags gosset) \
    "$library/libgosset.a" $(pkg-config --static --libs gosset | sed 's/-lgosset//') -lm
./by_pkg_config_static

cmake -S . -B build -DCMAKE_PREFIX_PATH="$work/prefix" >cmake.log 2>&1 || { cat cmake.log; exit 1; }
cmake --build build >make.log 2>&1 || { cat make.log; exit 1; }
build/shared
build/static

for tool in "$work"/prefix/bin/*; do
    [ -x "$tool" ] || { echo "the tool was not installed"; exit 1; }
    LD_LIBRARY_PATH=$library "$tool" --version
done
find "$work/prefix" -name 'gosset.1*' | grep -q . || { echo "the man page was not installed"; exit 1; }
