gosset_test(index_search SOURCES search_main.c check_io.c check_topk.c check_search.c check_seccomp.c search_fixture.c
  ../support/support.c LAYERS base kernel lattice index)
