/** A small index in a temporary directory with everything a searcher needs, and the truth about it. */
#ifndef GOSSET_TESTS_SEARCH_FIXTURE_H
#define GOSSET_TESTS_SEARCH_FIXTURE_H

#include "index/search.h"
#include "lattice/windows.h"
#include "support/support.h"

/* What the codec sees of a vector: a latent, and features behind it that residual codes approximate. */
enum { LATENT = 16, FEATURES = 40, ROW = LATENT + FEATURES, GAIN_PLACE = 15, GROUPS = 3, TURNED = 16 };

typedef struct fixture {
    char directory[TEMP_PATH_SIZE];
    gosset__env env;
    gosset_lattice *cell_lattice, *code_lattice;
    gosset__codec *codec;
    gosset__residual residual; /* borrowed by the codec */
    float *centroids;          /* cells x FEATURES; NULL: point codes */
    float *turns;              /* of GROUPS: TURNED x TURNED */
    uint8_t *group;            /* cells */
    const gosset__kernels *kernels;
    uint32_t dimension;
    gosset_type type;
    gosset_metric metric;
    size_t count, query_count;
    void *vectors, *queries; /* tight rows of `type` */
    uint64_t *ids;
    gosset__store *store;
} fixture;

typedef struct fixture_options {
    gosset_type type;
    gosset_metric metric;
    uint32_t dimension;
    size_t count;
    uint64_t shard_size; /* 0 = one shard */
    int twins;           /* every vector stands twice in the set, under two ids */
    int residual;        /* codes of what a centroid leaves, in place of points */
} fixture_options;

/** Writes the index; no store is open yet. */
void fixture_build(fixture *self, const fixture_options *options);
/** From here on the codec and new searchers use these kernels. */
void fixture_use(fixture *self, const gosset__kernels *kernels);
/** Opens the store with a backend, in place of the one that was open; leaves are at hand for codes that have them. */
void fixture_open(fixture *self, const char *io);
/** Likewise, with the codes left on disk. */
void fixture_open_on_disk(fixture *self, const char *io);
void fixture_close(fixture *self);
void fixture_remove(fixture *self);

size_t fixture_row_size(const fixture *self);
const void *fixture_query(const fixture *self, size_t query);
/** What stands for a model: a fixed random projection, unit length; the features are more of it. */
void fixture_row(const fixture *self, const void *vector, float row[ROW]);

/** Brute force by the definition; queries given as floats when `as_floats`. */
void fixture_truth(const fixture *self, size_t query, int as_floats, uint32_t k, uint64_t *ids, float *distances);
/** A request for a query; `row` is filled and must outlive the call that takes the request. Its tag is the query. */
gosset__search_request fixture_request(const fixture *self, size_t query, float row[ROW], uint32_t probe,
                                       uint32_t rerank, uint32_t k, uint64_t *ids, float *distances);
/** A search with the latent of the query; stats may be NULL. */
gosset_status fixture_search(const fixture *self, gosset__search *search, size_t query, uint32_t probe, uint32_t rerank,
                             uint32_t k, uint64_t *ids, float *distances, gosset__search_stats *stats);

#endif
