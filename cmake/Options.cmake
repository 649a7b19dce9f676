option(GOSSET_BUILD_TESTS "Build the tests" ON)
option(GOSSET_BUILD_BENCH "Build the benchmarks (needs FAISS)" OFF)
set(GOSSET_SANITIZE "" CACHE STRING "Sanitizers, e.g. address,undefined or thread")

add_library(gosset_flags INTERFACE)
target_compile_definitions(gosset_flags INTERFACE _GNU_SOURCE)
target_compile_options(gosset_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes
  -Wvla -Wwrite-strings -ffp-contract=off -fno-math-errno)
target_include_directories(gosset_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
if(GOSSET_SANITIZE)
  # Tests take much longer than compiling; -O2 saves a fifth of their time against -O1.
  target_compile_options(gosset_flags INTERFACE -fsanitize=${GOSSET_SANITIZE} -fno-omit-frame-pointer -g
    $<$<CONFIG:Debug>:-O2> -fno-sanitize-recover=all)
  target_link_options(gosset_flags INTERFACE -fsanitize=${GOSSET_SANITIZE})
endif()
