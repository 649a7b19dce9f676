/*
 * search DIRECTORY QUERIES.fvecs: the five nearest vectors of each query, as "query N: ID (DISTANCE) ...".
 *
 *     cc search.c $(pkg-config --cflags --libs gosset) -o search
 */
#include "fvecs.h"
#include <gosset/gosset.h>

enum { K = 5 };

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s DIRECTORY QUERIES.fvecs\n", argv[0]);
        return 2;
    }
    gosset_vectors queries = read_fvecs(argv[2]);
    if (!queries.data) return 1;
    gosset_index *index = NULL;       /* shared by all threads */
    gosset_searcher *searcher = NULL; /* one per thread */
    uint64_t *ids = malloc(queries.count * K * sizeof *ids);
    float *distances = malloc(queries.count * K * sizeof *distances);
    if (!ids || !distances) return 1;

    gosset_status status = gosset_index_open(&index, argv[1], NULL);
    if (status == GOSSET_OK) status = gosset_searcher_create(&searcher, index, NULL);
    /* How hard to search is said as the recall wanted; the index was calibrated when it was built. */
    gosset_search_options options = {.struct_size = sizeof options, .recall = 0.97};
    if (status == GOSSET_OK) status = gosset_searcher_set(searcher, &options);
    if (status == GOSSET_OK) status = gosset_searcher_search(searcher, &queries, K, ids, distances);

    if (status != GOSSET_OK) fprintf(stderr, "%s\n", gosset_last_error());
    for (size_t q = 0; status == GOSSET_OK && q < queries.count; q++) {
        printf("query %zu:", q);
        for (size_t i = q * K; i < (q + 1) * K && ids[i] != GOSSET_NO_ID; i++)
            printf(" %llu (%g)", (unsigned long long)ids[i], distances[i]);
        printf("\n");
    }
    gosset_searcher_free(searcher);
    gosset_index_close(index);
    free(ids);
    free(distances);
    free_fvecs(queries);
    return status == GOSSET_OK ? 0 : 1;
}
