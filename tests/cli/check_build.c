/* train, build, merge, info, verify. */
#include "cli_tests.h"
#include "datasets/vectors.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(train_reports_and_repeats) {
    const json_t *json = run_json("train", "--learn", "learn.fvecs", "--out", "again.model", "--epochs", "2", "--width",
                                  "32", "--seed", "5", "--threads", "1", NULL)
                             ->json;
    ck_assert_double_gt(real_of(json, "train_seconds"), 0);
    ck_assert_double_gt(real_of(json, "validation_recall_at_10"), 0);
    ck_assert_int_eq(count_of(json, "epochs"), 2);
    ck_assert_int_eq(count_of(json, "width"), 32);
    ck_assert_int_eq(count_of(json, "seed"), 5);
    ck_assert_int_eq(count_of(json, "input_dimension"), DIMENSION);
    ck_assert_int_gt(count_of(json, "code_bytes_per_vector"), 0);
    ck_assert_str_eq(text_of(json, "metric"), "l2");
    ck_assert(!file_exists(here("again.model.checkpoint")));
    /* One thread and two give the same map; the file also holds how long it took, the fingerprint does not. */
    char fingerprint[32];
    snprintf(fingerprint, sizeof fingerprint, "%s", text_of(json, "fingerprint"));
    json = run_json("info", "map.model", NULL)->json;
    ck_assert_str_eq(text_of(json, "fingerprint"), fingerprint);
    ck_assert_str_eq(text_of(json, "kind"), "model");
}
END_TEST

/* Ctrl-C in the middle: 130, a checkpoint, no model; with --resume it goes on. */
START_TEST(train_interrupted) {
    const pid_t child = start_tool("train", "--learn", "learn.fvecs", "--out", "long.model", "--epochs", "100000",
                                   "--width", "32", NULL);
    for (int i = 0; i < 2000 && !file_exists(here("long.model.checkpoint")); i++) usleep(50000);
    ck_assert(file_exists(here("long.model.checkpoint")));
    ck_assert_int_eq(kill(child, SIGINT), 0);
    const tool_result *result = wait_tool(child);
    ck_assert_msg(result->code == 130, "ended with %d: %s", result->code, result->err);
    ck_assert_ptr_nonnull(strstr(result->err, "interrupted"));
    ck_assert_ptr_nonnull(strstr(result->err, "--resume"));
    ck_assert(file_exists(here("long.model.checkpoint")));
    ck_assert(!file_exists(here("long.model")));
    result = run_tool("train", "--learn", "query.fvecs", "--out", "long.model", "--resume", NULL);
    ck_assert_int_eq(result->code, 1);
    ck_assert(!file_exists(here("long.model")));
    unlink(here("long.model.checkpoint"));
}
END_TEST

START_TEST(build_reports) {
    const json_t *json = run_json("build", "--model", "map.model", "--base", "base.fvecs", "--out", "some.gosset/",
                                  "--memory", "64M", "--threads", "1", NULL)
                             ->json;
    ck_assert_double_gt(real_of(json, "build_seconds"), 0);
    ck_assert_double_gt(real_of(json, "build_cpu_seconds"), 0);
    ck_assert_int_gt(count_of(json, "build_peak_bytes"), 1 << 20);
    ck_assert_int_eq(count_of(json, "vector_count"), BASE_COUNT);
    ck_assert_int_ge(count_of(json, "disk_bytes"), BASE_COUNT * DIMENSION * 4);
    ck_assert_int_gt(count_of(json, "resident_bytes"), BASE_COUNT * count_of(json, "code_bytes_per_vector"));
}
END_TEST

/* Half the bytes, named in `info`; what the type cannot hold is refused with its row. */
START_TEST(build_keeps_records_of_a_type) {
    const tool_result *result = run_tool("build", "--model", "map.model", "--base", "base.fvecs", "--out",
                                         "half.gosset", "--records", "f16", NULL);
    ck_assert_msg(result->code == 0, "%s", result->err);
    const json_t *json = run_json("info", "half.gosset", NULL)->json;
    ck_assert_str_eq(text_of(json, "type"), "f16");
    ck_assert_ptr_nonnull(strstr(text_of(json, "exactness"), "rounded"));
    ck_assert_int_eq(count_of(json, "records_per_page"), (4096 - 8) / (8 + 2 * DIMENSION));
    result = run_tool("build", "--model", "map.model", "--base", "base.fvecs", "--out", "bytes.gosset", "--records",
                      "u8", NULL);
    check_failure(result, "row 0", "records of u8 hold integers of 0 to 255");
    ck_assert(!file_exists(here("bytes.gosset")));
    result = run_tool("build", "--model", "map.model", "--base", "base.fvecs", "--out", "bytes.gosset", "--records",
                      "u16", NULL);
    ck_assert_int_eq(result->code, 2);
    ck_assert_ptr_nonnull(strstr(result->err, "expected f32, f16, u8 or i8"));
}
END_TEST

START_TEST(build_does_not_overwrite) {
    const tool_result *result =
        run_tool("build", "--model", "map.model", "--base", "base.fvecs", "--out", "taken.gosset", NULL);
    ck_assert_msg(result->code == 0, "%s", result->err);
    result = run_tool("build", "--model", "map.model", "--base", "query.fvecs", "--out", "taken.gosset", NULL);
    check_failure(result, "taken.gosset", "");
    ck_assert_int_eq(count_of(run_json("info", "taken.gosset", NULL)->json, "vector_count"), BASE_COUNT);
    /* A failed --force leaves the old index. */
    result =
        run_tool("build", "--model", "map.model", "--base", "truth.ivecs", "--out", "taken.gosset", "--force", NULL);
    check_failure(result, "truth.ivecs", "holds integers");
    ck_assert_int_eq(count_of(run_json("info", "taken.gosset", NULL)->json, "vector_count"), BASE_COUNT);
    ck_assert(!file_exists(here("taken.gosset.new")));
    result =
        run_tool("build", "--model", "map.model", "--base", "learn.fvecs", "--out", "taken.gosset", "--force", NULL);
    ck_assert_msg(result->code == 0, "%s", result->err);
    ck_assert_int_eq(count_of(run_json("info", "taken.gosset", NULL)->json, "vector_count"), LEARN_COUNT);
    ck_assert(!file_exists(here("taken.gosset.new")));
    /* --force is for indexes, not for somebody's folder. */
    file_write(here("taken.gosset/notes.txt"), "mine", 4);
    result =
        run_tool("build", "--model", "map.model", "--base", "base.fvecs", "--out", "taken.gosset", "--force", NULL);
    check_failure(result, "notes.txt", "no part of an index");
    ck_assert(file_exists(here("taken.gosset/notes.txt")));
}
END_TEST

/* Two halves with their own ids, merged: the answers of one build over all. */
START_TEST(merge_answers_as_one_build) {
    enum { HALF = BASE_COUNT / 2 };
    static uint64_t head[1 + BASE_COUNT]; /* a u64bin: two u32, then ids */
    for (int half = 0; half < 2; half++) {
        char name[32], ids[32], out[32];
        snprintf(name, sizeof name, "half%d.fvecs", half);
        snprintf(ids, sizeof ids, "half%d.u64bin", half);
        snprintf(out, sizeof out, "half%d.gosset", half);
        head[0] = HALF | (uint64_t)1 << 32;
        for (uint64_t i = 0; i < HALF; i++) head[1 + i] = (uint64_t)half * HALF + i;
        file_write(here(ids), head, (1 + HALF) * sizeof *head);
        ck_assert_int_eq(gosset_dataset_write(here(name), GOSSET_ELEMENT_F32, HALF, DIMENSION,
                                              base_rows + (size_t)half * HALF * DIMENSION),
                         GOSSET_OK);
        const tool_result *result =
            run_tool("build", "--model", "map.model", "--base", name, "--ids", ids, "--out", out, NULL);
        ck_assert_msg(result->code == 0, "%s", result->err);
    }
    const json_t *json = run_json("merge", "--out", "merged.gosset", "half0.gosset", "half1.gosset", NULL)->json;
    ck_assert_int_eq(count_of(json, "vector_count"), BASE_COUNT);
    ck_assert_double_gt(real_of(json, "merge_seconds"), 0);
    static const char *const indexes[] = {"all.gosset", "merged.gosset"};
    static const char *const outputs[] = {"all", "merged"};
    for (int i = 0; i < 2; i++) {
        char ids[32], distances[32];
        snprintf(ids, sizeof ids, "%s.ivecs", outputs[i]);
        snprintf(distances, sizeof distances, "%s.fvecs", outputs[i]);
        const tool_result *result = run_tool("search", "--index", indexes[i], "--query", "query.fvecs", "--probe", "40",
                                             "--rerank", "60", "--out", ids, "--distances", distances, NULL);
        ck_assert_msg(result->code == 0, "%s", result->err);
    }
    ck_assert(same_files("all.ivecs", "merged.ivecs"));
    ck_assert(same_files("all.fvecs", "merged.fvecs"));
    ck_assert_int_eq(run_tool("verify", "merged.gosset", NULL)->code, 0);
}
END_TEST

START_TEST(build_in_shards) {
    const json_t *json = run_json("build", "--model", "map.model", "--base", "base.fvecs", "--out", "shards.gosset",
                                  "--shard-size", "200K", NULL)
                             ->json;
    ck_assert_int_gt(count_of(json, "shard_count"), 1);
    /* Other shards, other pages, so other lucky finds; but all there is, is found. */
    static const char *const indexes[] = {"shards.gosset", "all.gosset"};
    static const char *const outputs[] = {"shards.ivecs", "one.ivecs"};
    for (int i = 0; i < 2; i++) {
        const tool_result *result = run_tool("search", "--index", indexes[i], "--query", "query.fvecs", "--probe",
                                             "100000", "--rerank", "4000", "--out", outputs[i], NULL);
        ck_assert_msg(result->code == 0, "%s", result->err);
    }
    ck_assert(same_files("shards.ivecs", "one.ivecs"));
}
END_TEST

START_TEST(info_of_index_and_shard) {
    const json_t *json = run_json("info", "all.gosset", NULL)->json;
    ck_assert_str_eq(text_of(json, "kind"), "index");
    ck_assert_int_eq(count_of(json, "vector_count"), BASE_COUNT);
    ck_assert_int_gt(count_of(json, "resident_bytes"), 0);
    ck_assert_int_gt(count_of(json_object_get(json, "memory"), "codes_bytes"), 0);
    ck_assert_uint_ge(json_array_size(json_object_get(json, "calibration")), 3);
    ck_assert_int_eq(count_of(json_object_get(json, "model"), "input_dimension"), DIMENSION);
    const char *io = text_of(json, "io");
    ck_assert(strcmp(io, "uring") == 0 || (strcmp(io, "threads") == 0 && *text_of(json, "io_reason")));
    json = run_json("info", "all.gosset", "--io", "memory", NULL)->json;
    ck_assert_str_eq(text_of(json, "io"), "memory");
    json = run_json("info", "all.gosset/shard-1-0000.gosset", NULL)->json;
    ck_assert_str_eq(text_of(json, "kind"), "shard");
    ck_assert_int_eq(count_of(json, "vector_count"), BASE_COUNT);
    const tool_result *result = run_tool("info", "all.gosset", NULL);
    ck_assert_int_eq(result->code, 0);
    ck_assert_ptr_nonnull(strstr(result->out, "reads by"));
}
END_TEST

START_TEST(verify_finds_a_flipped_byte) {
    size_t size;
    ck_assert_int_eq(
        run_tool("build", "--model", "map.model", "--base", "query.fvecs", "--out", "hurt.gosset", NULL)->code, 0);
    ck_assert_int_eq(run_tool("verify", "hurt.gosset", NULL)->code, 0);
    const char *path = "hurt.gosset/shard-1-0000.gosset";
    unsigned char *bytes = file_bytes(here(path), &size);
    bytes[size / 2] ^= 4;
    file_write(here(path), bytes, size);
    free(bytes);
    check_failure(run_tool("verify", "hurt.gosset", NULL), "shard-1-0000.gosset", "byte");
}
END_TEST

TCase *build_cases(void) {
    TCase *cases = tcase_create("build");
    tcase_add_test(cases, train_reports_and_repeats);
    tcase_add_test(cases, train_interrupted);
    tcase_add_test(cases, build_reports);
    tcase_add_test(cases, build_keeps_records_of_a_type);
    tcase_add_test(cases, build_does_not_overwrite);
    tcase_add_test(cases, merge_answers_as_one_build);
    tcase_add_test(cases, build_in_shards);
    tcase_add_test(cases, info_of_index_and_shard);
    tcase_add_test(cases, verify_finds_a_flipped_byte);
    return cases;
}
