gosset_test(index_search SOURCES search_main.c check_io.c check_topk.c check_cache.c check_search.c check_flight.c
  check_together.c check_early.c check_turns.c check_leaves.c
  check_seccomp.c search_fixture.c ../support/support.c LAYERS base kernel lattice index LABELS quick)

add_executable(bench_search bench_search.c)
target_link_libraries(bench_search PRIVATE gosset_index gosset_lattice gosset_kernel gosset_base gosset_flags
  PkgConfig::XXHASH PkgConfig::URING Threads::Threads m)
set_target_properties(bench_search PROPERTIES EXCLUDE_FROM_ALL ON)
