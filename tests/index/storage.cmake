add_executable(second_reader second_reader.c)
set_target_properties(second_reader PROPERTIES C_STANDARD 11)
target_link_libraries(second_reader PRIVATE PkgConfig::XXHASH)

gosset_test(storage SOURCES check_store.c check_sort.c check_damage.c check_crash.c store_support.c ../support/support.c
  LAYERS index lattice kernel base LABELS quick)
target_compile_definitions(test_storage PRIVATE SECOND_READER="$<TARGET_FILE:second_reader>"
  GOLDEN_DIRECTORY="${CMAKE_CURRENT_SOURCE_DIR}/golden")
add_dependencies(test_storage second_reader)

add_executable(bench_store bench_store.c)
target_link_libraries(bench_store PRIVATE gosset_index gosset_lattice gosset_kernel gosset_base gosset_flags
  PkgConfig::XXHASH PkgConfig::URING Threads::Threads m)
set_target_properties(bench_store PROPERTIES EXCLUDE_FROM_ALL ON)
