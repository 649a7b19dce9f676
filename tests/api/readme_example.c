/* readme_example DIRECTORY: the example of README.md. */
#include <gosset/gosset.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIMENSION = 32, COUNT = 5000, K = 5 };

int main(int argc, char **argv) {
    const char *directory = argc > 1 ? argv[1] : "example.gosset";
    float *numbers = malloc(sizeof(float) * COUNT * DIMENSION); /* yours: embeddings, descriptors, ... */
    for (int i = 0; numbers && i < COUNT * DIMENSION; i++) numbers[i] = (float)rand() / (float)RAND_MAX;
    gosset_vectors vectors = {.data = numbers, .count = COUNT, .dimension = DIMENSION, .type = GOSSET_F32};
    gosset_vectors query = {.data = numbers, .count = 1, .dimension = DIMENSION, .type = GOSSET_F32};

    gosset_model *model = NULL;
    gosset_writer *writer = NULL;
    gosset_index *index = NULL;
    gosset_searcher *searcher = NULL;
    uint64_t ids[K];
    float distances[K];

    /* Once: train the map, then build an index with it. */
    gosset_train_config training = {.struct_size = sizeof training, .metric = GOSSET_L2, .epochs = 1};
    gosset_status status = gosset_train(&model, &vectors, &training);
    gosset_writer_config writing = {.struct_size = sizeof writing, .model = model, .type = GOSSET_F32};
    if (status == GOSSET_OK) status = gosset_writer_create(&writer, directory, &writing);
    if (status == GOSSET_OK) status = gosset_writer_add(writer, &vectors, NULL);
    if (status == GOSSET_OK) status = gosset_writer_finish(writer);

    /* Then, in any process: open it and search. */
    if (status == GOSSET_OK) status = gosset_index_open(&index, directory, NULL);
    if (status == GOSSET_OK) status = gosset_searcher_create(&searcher, index, NULL);
    if (status == GOSSET_OK) status = gosset_searcher_search(searcher, &query, K, ids, distances);

    if (status != GOSSET_OK) fprintf(stderr, "%s\n", gosset_last_error());
    for (int i = 0; status == GOSSET_OK && i < K; i++) printf("%llu %g\n", (unsigned long long)ids[i], distances[i]);
    gosset_searcher_free(searcher);
    gosset_index_close(index);
    gosset_writer_free(writer);
    gosset_model_free(model);
    free(numbers);
    return status == GOSSET_OK && ids[0] == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
