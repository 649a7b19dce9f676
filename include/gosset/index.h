/**
 * @file gosset/index.h
 * Build an index directory from vectors, open it, search it.
 *
 *     gosset_index *index = NULL;
 *     gosset_searcher *searcher = NULL;
 *     if (gosset_index_open(&index, "photos.gosset", NULL) != GOSSET_OK ||
 *         gosset_searcher_create(&searcher, index, NULL) != GOSSET_OK ||
 *         gosset_searcher_search(searcher, &query, 10, ids, distances) != GOSSET_OK)
 *         fprintf(stderr, "%s\n", gosset_last_error());
 *     gosset_searcher_free(searcher);
 *     gosset_index_close(index);
 */
#ifndef GOSSET_INDEX_H
#define GOSSET_INDEX_H

#include <gosset/common.h>
#include <gosset/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gosset_writer gosset_writer;     /* one thread at a time */
typedef struct gosset_index gosset_index;       /* immutable, share freely */
typedef struct gosset_searcher gosset_searcher; /* one per thread: scratch and I/O ring */

/** The id of a slot no vector fills (k larger than the index). Not allowed as an id. */
#define GOSSET_NO_ID UINT64_MAX

/* ---- build ---------------------------------------------------------------------------------- */

/** The type in which an index keeps its vectors to compare them exactly. Cells and codes are made of what was given. */
typedef enum gosset_records {
    GOSSET_RECORDS_AS_GIVEN = 0,
    GOSSET_RECORDS_F32 = 1,
    /** Each number rounded to the nearest: at most 2^-11 of it away (below 2^-14: at most 2^-25). Distances are exact
     *  for the rounded vectors. GOSSET_E_ARGUMENT for numbers of 65520 and more. */
    GOSSET_RECORDS_F16 = 2,
    /** Nothing is rounded: GOSSET_E_ARGUMENT unless every number is an integer of 0..255 or -128..127. */
    GOSSET_RECORDS_U8 = 3,
    GOSSET_RECORDS_I8 = 4
} gosset_records;

typedef struct gosset_writer_config {
    size_t struct_size;
    const gosset_env *env;
    const gosset_model *model; /* borrowed until the writer is freed; copied into the index */
    gosset_type type;          /* of the added vectors */
    uint64_t memory;           /* bytes the build may use; 0 = a quarter of RAM */
    uint64_t shard_size;       /* bytes per shard file; 0 = 1 GiB */
    gosset_records records;
} gosset_writer_config;

/**
 * Starts an index in `directory`, which must not hold one yet (GOSSET_E_EXISTS). Nothing is visible
 * there before gosset_writer_finish returns GOSSET_OK.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_writer_create(gosset_writer **out, const char *directory,
                                                                  const gosset_writer_config *config);
/**
 * Adds vectors; they are copied. Full sort buffers are spilled to the directory, never kept beyond
 * the budget.
 * @param ids  vectors->count ids, or NULL for running numbers from 0. Not both in one index.
 * Errors: GOSSET_E_ARGUMENT names the row that holds NaN or infinity, or the row of all added so far that holds a
 * number the records cannot; nothing of the call is added then.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_writer_add(gosset_writer *writer, const gosset_vectors *vectors,
                                                               const uint64_t *ids);
/** Sorts, writes the shards, calibrates, and publishes the index durably, or leaves none. */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_writer_finish(gosset_writer *writer);
GOSSET_API void gosset_writer_free(gosset_writer *writer); /* unfinished work is removed */

/**
 * Joins indexes built with the same model into a new one that answers as one build over all their
 * vectors would. Sources are only read. Ids are kept; `config->model`, `type` and
 * `records` are ignored.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_merge(const char *directory, const char *const *sources,
                                                          size_t source_count, const gosset_writer_config *config);

/* ---- open ----------------------------------------------------------------------------------- */

typedef struct gosset_index_config {
    size_t struct_size;
    const gosset_env *env;
    const char *io; /* "uring", "threads", "memory"; NULL or "auto" = first of these two that works */
    /**
     * Bytes the index may hold, searchers not counted; 0 = what it takes. When the codes fit they are held in memory,
     * and locked there if the system allows it; when not they stay on disk, 8 bytes for each page of them are held, and
     * a query reads twice: codes of its cells, then pages. GOSSET_E_ARGUMENT names the least it takes.
     */
    uint64_t memory;
} gosset_index_config;

/** Reads the directory, cells and codes into memory; vectors stay on disk (except with "memory"). Every byte of the
 *  codes is checked, wherever they stay. */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_index_open(gosset_index **out, const char *directory,
                                                               const gosset_index_config *config);
GOSSET_API void gosset_index_close(gosset_index *index); /* after its searchers; NULL is fine */

typedef struct gosset_index_info {
    size_t struct_size;
    uint64_t vector_count;
    uint32_t shard_count, format_version;
    gosset_type type;   /* of the records */
    uint32_t page_size; /* bytes of one read */
    uint32_t records_per_page;
    uint32_t code_bytes; /* RAM per vector of the codes */
    uint64_t cell_count, cells_used, largest_cell;
    double imbalance;                    /* cells_used * sum(n_i^2) / (sum n_i)^2; 1 = all cells equal */
    uint64_t disk_bytes, resident_bytes; /* files; memory this handle holds */
    const char *io;                      /* what is in use: "uring", "threads", "memory" */
    const char *io_reason;               /* why not a better one ("" if the best is in use) */
    const char *cpu;                     /* kernels in use */
    const gosset_model *model;           /* borrowed; strings and model live as long as the index */
    const char *codes;                   /* "in memory", "locked in memory", "on disk" */
    const char *codes_reason;            /* why they could not be locked ("" if they are, or nobody asked) */
} gosset_index_info;
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_index_describe(const gosset_index *index, gosset_index_info *info);

/**
 * Reads every byte of every file of a directory and checks it. gosset_last_error() names the file and
 * byte offset of the first damage (GOSSET_E_CORRUPT). Works on indexes that gosset_index_open refuses.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_index_verify(const char *directory, const gosset_env *env);

/* ---- search --------------------------------------------------------------------------------- */

/** How hard to search. Zero in every field = recall 0.95. */
typedef struct gosset_search_options {
    size_t struct_size;
    double recall;      /* target recall@k in (0, 1); the index's calibration sets all others of these */
    uint32_t probe;     /* cells visited, best first; needs rerank; excludes recall */
    uint32_t rerank;    /* candidates whose pages are read */
    uint32_t in_flight; /* queries under way at once, 1..256; 0 = 16. See gosset_searcher_search and _submit */
    uint64_t cache;     /* bytes of pages this searcher keeps, once read and checked, for queries to come; 0 = none */
    uint32_t reach; /* with probe: visited cells that promise less are passed over; 0 = none. A calibration's measure */
    uint32_t leaf_reach; /* with reach: runs of 32 vectors of those cells that lie farther off are passed over;
                          * likewise. Of no effect where gosset_memory_info.leaves is 0 */
} gosset_search_options;

GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_searcher_create(gosset_searcher **out, const gosset_index *index,
                                                                    const gosset_env *env);
/** Queries in flight are dropped without a word, once the kernel has let go of their pages: on the thread that
 *  submitted them, since no other may wait for them. NULL is fine. */
GOSSET_API void gosset_searcher_free(gosset_searcher *searcher);

/** Applies to the searches that follow. NULL = defaults. GOSSET_E_BUSY: in_flight or cache change while
 *  queries are. */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_searcher_set(gosset_searcher *searcher,
                                                                 const gosset_search_options *options);

/**
 * The k nearest vectors of each query, best first, with exact distances (to the vectors as they are kept, see
 * gosset_records); ties by lower id; slots
 * beyond the index's size are padded with GOSSET_NO_ID and +infinity. Allocates nothing once warm (the
 * first call with a larger k, probe or rerank may). Of a single query, pages are asked for in up to four parts while
 * its codes are compared. Of many queries, `in_flight` are under way at once: pages of
 * some are read while codes of the next are compared. 32 queries and more are planned together, up to 512 at a time, up
 * to 2,048 in calls with more than 512, so that a cell's codes come from memory once for all of them: nearly twice as
 * fast, but the first is answered with the others. The answers are those of one query after the other.
 * @param k          1..1024.
 * @param ids        queries->count x k.
 * @param distances  queries->count x k, or NULL. See gosset_metric for their meaning.
 * Errors: GOSSET_E_CORRUPT when a page read fails its checksum (all outputs are then unspecified, never
 * silently wrong), GOSSET_E_IO, GOSSET_E_DIMENSION, GOSSET_E_ARGUMENT, GOSSET_E_STATE (submitted queries
 * are in flight). Nothing is in flight when it returns.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_searcher_search(gosset_searcher *searcher,
                                                                    const gosset_vectors *queries, uint32_t k,
                                                                    uint64_t *ids, float *distances);

/** A submitted query that is over. */
typedef struct gosset_completion {
    uint64_t tag;         /* given to gosset_searcher_submit */
    gosset_status status; /* of this query alone; its outputs count only when GOSSET_OK */
    uint32_t pages_read;
    const char *error; /* the sentence of a failure, NULL without; until the searcher's next call */
} gosset_completion;

/**
 * Starts one query and does not wait for its pages: maps it, compares codes, and hands its reads to the kernel. Its
 * end is told by gosset_searcher_poll. For event loops; like every call, on the searcher's own thread.
 * Older queries come first: when one of them is over by the time half of the codes are compared, the call returns, and
 * the rest is done by the next gosset_searcher_poll or _wait with nothing to tell, or by the next
 * gosset_searcher_submit. So poll after each submit; the descriptor of gosset_searcher_eventfd stays readable until
 * there is nothing left.
 * @param query      one vector; copied.
 * @param ids        k; borrowed until the query is reported or the searcher freed, and so are
 * @param distances  k, or NULL.
 * @param tag        comes back with the completion.
 * Errors: GOSSET_E_BUSY when `in_flight` queries are under way already, or when the query is larger (k, probe, rerank)
 * than any before and others are under way: take completions in and repeat the call. Failed calls start nothing.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_searcher_submit(gosset_searcher *searcher,
                                                                    const gosset_vectors *query, uint32_t k,
                                                                    uint64_t *ids, float *distances, uint64_t tag);
/**
 * Scores pages that arrived and tells which submitted queries are over, in any order; never waits for pages. With none
 * to tell of it goes on with a query whose submission returned early, which takes as long as comparing the rest of its
 * codes.
 * @param count  how many completions were written: 0..capacity. What did not fit is told by the next call.
 * A query that failed (a damaged page) fails alone: the call is GOSSET_OK and the others go on.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_searcher_poll(gosset_searcher *searcher,
                                                                  gosset_completion *completions, size_t capacity,
                                                                  size_t *count);
/** The same, but waits until there is at least one completion, or nothing is in flight (*count is then 0). */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_searcher_wait(gosset_searcher *searcher,
                                                                  gosset_completion *completions, size_t capacity,
                                                                  size_t *count);
/**
 * The same, but waits for no longer than `nanoseconds`, for a thread that knows when it will have something else to do.
 * Cheaper than sleeping on the descriptor below: that wakes at the first page of a query, this at the last. *count may
 * be 0 with queries still in flight. As gosset_searcher_poll it may go on with a query whose submission returned early,
 * also beyond the time.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_searcher_wait_for(gosset_searcher *searcher, uint64_t nanoseconds,
                                                                      gosset_completion *completions, size_t capacity,
                                                                      size_t *count);
/**
 * A descriptor that epoll reports as readable (level-triggered) when gosset_searcher_poll may have something to tell;
 * now and then it has not. gosset_searcher_poll resets it: do not read it. It belongs to the searcher and is closed
 * with it. Ask for it before the first gosset_searcher_submit (GOSSET_E_STATE while queries are in flight).
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_searcher_eventfd(gosset_searcher *searcher, int *descriptor);

/** Sums over the queries since the searcher was created or the counters were reset. */
typedef struct gosset_search_stats {
    size_t struct_size;
    uint64_t queries, cells_probed, codes_scanned, candidates, pages_read, bytes_read, io_batches;
    uint64_t encode_ns, scan_ns, io_ns; /* io_ns: waiting for and scoring pages; with codes on disk, these too */
    uint64_t code_reads, code_bytes;    /* codes on disk: reads, of several pages each */
    uint64_t cache_hits, cache_misses;  /* pages asked for that were kept, and that were read; 0 without a cache */
} gosset_search_stats;
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_searcher_stats(const gosset_searcher *searcher,
                                                                   gosset_search_stats *stats);
GOSSET_API void gosset_searcher_reset_stats(gosset_searcher *searcher);

/** The options a recall target stands for on this index, after calibration; cost in expected pages. */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_index_calibration(const gosset_index *index, double recall,
                                                                      gosset_search_options *options,
                                                                      double *expected_pages);

/* ---- memory --------------------------------------------------------------------------------- */

/** Memory of a search, in bytes as asked of the allocator; `index` is the sum of the fields before it. */
typedef struct gosset_memory_info {
    size_t struct_size;
    uint64_t codes;      /* of all vectors, padded to blocks of 16; on disk: their checksums */
    uint64_t leaves;     /* sketches of 32 codes each, where they save comparing them; else 0 */
    uint64_t cells;      /* 8 for each: its first row */
    uint64_t network;    /* the map from vectors to latents */
    uint64_t centroids;  /* of the cells, for the codes */
    uint64_t turns;      /* axes of the groups of cells */
    uint64_t model_rest; /* lattices; weights and held-out vectors as the model file has them */
    uint64_t pages;      /* with "memory": all of them */
    uint64_t rest;       /* shard headers and paths, descriptors */
    uint64_t index;      /* once, for all searchers */
    uint64_t searcher; /* each searcher, with one query in flight: its page buffers and what a query is worked on in */
    uint64_t query;    /* each further query in flight, on average */
    uint64_t batch;    /* a searcher that was once given many queries in one call; 0: it would not plan them together */
    uint64_t cache;    /* each searcher's, of the bytes `options` give it: what was allocated */
    uint64_t batch_most; /* in place of `batch`, once it was given more than 512 */
} gosset_memory_info;

/**
 * What searching this index takes. The index's own part is what the handle holds now; the searchers' part is measured
 * on one that is made for the call with room for such queries. Kernel memory (an io_uring and its completions) and
 * the C library's (threads' stacks) come on top.
 * @param options  NULL = defaults. `in_flight` is the number `query` is averaged over.
 * @param k        neighbours wanted, 1..1024.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_index_memory(const gosset_index *index,
                                                                 const gosset_search_options *options, uint32_t k,
                                                                 gosset_memory_info *info);

/* ---- exact ---------------------------------------------------------------------------------- */

/**
 * Exact nearest neighbours by brute force, the ground truth of every measurement. Same outputs as
 * gosset_searcher_search. Threads by env.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_exact_search(const gosset_vectors *base,
                                                                 const gosset_vectors *queries, gosset_metric metric,
                                                                 uint32_t k, uint64_t *ids, float *distances,
                                                                 const gosset_env *env);

#ifdef __cplusplus
}
#endif
#endif /* GOSSET_INDEX_H */
