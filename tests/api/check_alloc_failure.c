/* Every allocation of every public call fails once, and all after it: the status is right, nothing leaks or crashes.
 * gosset_train is tried in tests/train. */
#include "api/world.h"

#include <stdio.h>

enum { ROWS = 1300, LIMIT = 20000 };

typedef gosset_status (*attempt_fn)(const gosset_env *env);

/* Runs `attempt` with memory for n allocations, n rising until it goes through. */
static void exhaust(const char *name, attempt_fn attempt) {
    static counting_allocator memory;
    size_t n = 1;
    for (;; n++) {
        gosset_env env = counting_env(&memory, n);
        env.threads = 2;
        gosset_status status = attempt(&env);
        ck_assert_msg(counting_held(&memory) == 0, "%s: allocation %zu failed: %zu blocks leaked", name, n,
                      counting_held(&memory));
        if (status == GOSSET_OK) {
            ck_assert_msg(memory.calls < n, "%s: allocation %zu failed and nobody noticed", name, n);
            break;
        }
        ck_assert_msg(status == GOSSET_E_NO_MEMORY, "%s: allocation %zu failed: %s (%s)", name, n,
                      gosset_strerror(status), gosset_last_error());
        ck_assert_uint_lt(n, LIMIT);
    }
    ck_assert_msg(n > 1, "%s allocates nothing through its environment", name);
}

static gosset_status writing(const gosset_env *env) {
    const char *path = temp_path(w.directory, "failing");
    gosset_writer *writer = NULL;
    gosset_vectors rows = rows_of(&w.base, 0, ROWS);
    gosset_writer_config config = {.struct_size = sizeof config, .env = env, .model = w.model, .memory = 100 << 20};
    gosset_status status = gosset_writer_create(&writer, path, &config);
    if (status == GOSSET_OK) status = gosset_writer_add(writer, &rows, NULL);
    if (status == GOSSET_OK) status = gosset_writer_finish(writer);
    gosset_writer_free(writer);
    if (status != GOSSET_OK && file_exists(path)) ck_assert_uint_eq(directory_entries(path), 0);
    temp_remove(path);
    return status;
}

static gosset_status merging(const gosset_env *env) {
    const char *path = temp_path(w.directory, "failing-merge");
    const char *sources[] = {temp_path(w.directory, "left"), temp_path(w.directory, "right")};
    gosset_writer_config config = {.struct_size = sizeof config, .env = env, .memory = 100 << 20};
    gosset_status status = gosset_merge(path, sources, 2, &config);
    if (status != GOSSET_OK && file_exists(path)) ck_assert_uint_eq(directory_entries(path), 0);
    temp_remove(path);
    return status;
}

static gosset_status opening(const gosset_env *env) {
    gosset_index *index = NULL;
    gosset_index_config config = {.struct_size = sizeof config, .env = env};
    gosset_memory_info memory = {.struct_size = sizeof memory};
    gosset_status status = gosset_index_open(&index, temp_path(w.directory, "left"), &config);
    ck_assert_int_eq(index == NULL, status != GOSSET_OK);
    if (status == GOSSET_OK) status = gosset_index_memory(index, NULL, 10, &memory);
    gosset_index_close(index);
    return status;
}

static gosset_status opening_in_memory(const gosset_env *env) {
    gosset_index *index = NULL;
    gosset_index_config config = {.struct_size = sizeof config, .env = env, .io = "memory"};
    gosset_status status = gosset_index_open(&index, temp_path(w.directory, "left"), &config);
    gosset_index_close(index);
    return status;
}

static gosset_status opening_on_disk(const gosset_env *env) {
    gosset_index *index = NULL;
    gosset_memory_info memory = {.struct_size = sizeof memory};
    gosset_index_config config = {.struct_size = sizeof config, .env = env};
    const char *path = temp_path(w.directory, "left");
    ck_ok(gosset_index_open(&index, path, NULL));
    ck_ok(gosset_index_memory(index, NULL, 10, &memory));
    gosset_index_close(index);
    config.memory = memory.index - 1;
    index = NULL;
    gosset_status status = gosset_index_open(&index, path, &config);
    ck_assert_int_eq(index == NULL, status != GOSSET_OK);
    gosset_index_close(index);
    return status;
}

static gosset_status verifying(const gosset_env *env) {
    return gosset_index_verify(temp_path(w.directory, "left"), env);
}

static gosset_index *shared;

/* Grows with k, probe and rerank, and must survive being refused. */
static gosset_status searching(const gosset_env *env) {
    enum { K = 500 };
    uint64_t ids[5 * K], again[5 * K];
    gosset_searcher *searcher = NULL;
    gosset_vectors query = rows_of(&w.query, 0, 5);
    gosset_search_options options = {
        .struct_size = sizeof options, .probe = 100000, .rerank = 1200, .cache = 10 * 4200};
    gosset_status status = gosset_searcher_create(&searcher, shared, env);
    if (status == GOSSET_OK) status = gosset_searcher_search(searcher, &query, 3, ids, NULL);
    if (status == GOSSET_OK) status = gosset_searcher_set(searcher, &options);
    if (status == GOSSET_OK) status = gosset_searcher_search(searcher, &query, K, ids, NULL);
    if (status == GOSSET_OK) { /* warm: no allocation any more */
        counting_allocator *memory = env->allocator.context;
        size_t calls = memory->calls;
        ck_ok(gosset_searcher_search(searcher, &query, K, again, NULL));
        ck_assert_uint_eq(memory->calls, calls);
        ck_assert_mem_eq(ids, again, sizeof ids);
    }
    gosset_searcher_free(searcher);
    return status;
}

/* With an event the reader is opened anew. */
static gosset_status submitting(const gosset_env *env) {
    uint64_t ids[3];
    gosset_searcher *searcher = NULL;
    gosset_completion over;
    gosset_vectors query = rows_of(&w.query, 0, 1);
    size_t count;
    int event;
    gosset_status status = gosset_searcher_create(&searcher, shared, env);
    if (status == GOSSET_OK) status = gosset_searcher_eventfd(searcher, &event);
    if (status == GOSSET_OK) status = gosset_searcher_submit(searcher, &query, 3, ids, NULL, 5);
    if (status == GOSSET_OK) {
        ck_ok(gosset_searcher_wait(searcher, &over, 1, &count));
        ck_assert_uint_eq(over.tag, 5);
    }
    gosset_searcher_free(searcher);
    return status;
}

static gosset_status exact(const gosset_env *env) {
    uint64_t ids[30];
    gosset_vectors query = rows_of(&w.query, 0, 3);
    return gosset_exact_search(&w.base, &query, GOSSET_COSINE, 10, ids, NULL, env);
}

static gosset_status loading(const gosset_env *env) {
    gosset_model *model = NULL;
    gosset_status status = gosset_model_load(&model, temp_path(w.directory, "failing.model"), env);
    ck_assert_int_eq(model == NULL, status != GOSSET_OK);
    gosset_model_free(model);
    return status;
}

static gosset_status lattice(const gosset_env *env) {
    gosset_lattice *made = NULL;
    gosset_status status = gosset_lattice_create(&made, "zn:24:79", env);
    ck_assert_int_eq(made == NULL, status != GOSSET_OK);
    gosset_lattice_free(made);
    return status;
}

START_TEST(test_every_allocation_fails_once) {
    static const struct {
        const char *name;
        attempt_fn attempt;
    } attempts[] = {
        {"write", writing},        {"merge", merging},    {"open", opening},     {"memory", opening_in_memory},
        {"disk", opening_on_disk}, {"verify", verifying}, {"search", searching}, {"submit", submitting},
        {"exact", exact},          {"load", loading},     {"lattice", lattice}};
    gosset_vectors left = rows_of(&w.base, 0, ROWS), right = rows_of(&w.base, ROWS, 200);
    const char *saved = temp_path(w.directory, "failing.model");
    if (!file_exists(saved)) { /* the first time; world_remove() removes them */
        build("left", &left, NULL);
        build("right", &right, NULL);
        ck_ok(gosset_model_save(w.model, saved));
    }
    ck_ok(gosset_index_open(&shared, temp_path(w.directory, "left"), NULL));
    exhaust(attempts[_i].name, attempts[_i].attempt);
    gosset_index_close(shared);
}
END_TEST

TCase *case_alloc_failure(void) {
    TCase *tcase = tcase_create("allocation failure");
    tcase_add_loop_test(tcase, test_every_allocation_fails_once, 0, 11);
    return tcase;
}
