/*
 * build VECTORS.fvecs DIRECTORY: trains a map on the vectors and builds an index of them.
 *
 *     cc build.c $(pkg-config --cflags --libs gosset) -o build
 */
#include "fvecs.h"
#include <gosset/gosset.h>

/* A progress line on stderr. Returning anything but 0 would cancel the call. */
static int show(const gosset_progress *progress, void *context) {
    (void)context;
    fprintf(stderr, "\r%-12s %llu/%llu ", progress->phase, (unsigned long long)progress->done,
            (unsigned long long)progress->total);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s VECTORS.fvecs DIRECTORY\n", argv[0]);
        return 2;
    }
    gosset_vectors vectors = read_fvecs(argv[1]);
    if (!vectors.data) return 1;
    gosset_env env = {.struct_size = sizeof env, .progress = show};
    gosset_model *model = NULL;
    gosset_writer *writer = NULL;

    /* The map learns from a sample of the vectors; here from the first 100,000. */
    gosset_vectors learn = vectors;
    if (learn.count > 100000) learn.count = 100000;
    gosset_train_config training = {.struct_size = sizeof training, .env = &env, .metric = GOSSET_L2, .minutes = 0.1};
    gosset_status status = gosset_train(&model, &learn, &training);

    /* A writer takes any number of calls; ids are running numbers unless you give your own. */
    gosset_writer_config writing = {.struct_size = sizeof writing, .env = &env, .model = model, .type = GOSSET_F32};
    if (status == GOSSET_OK) status = gosset_writer_create(&writer, argv[2], &writing);
    if (status == GOSSET_OK) status = gosset_writer_add(writer, &vectors, NULL);
    if (status == GOSSET_OK) status = gosset_writer_finish(writer);
    if (status != GOSSET_OK)
        fprintf(stderr, "\n%s\n", gosset_last_error());
    else
        fprintf(stderr, "\n%zu vectors of dimension %u in %s\n", vectors.count, vectors.dimension, argv[2]);

    gosset_writer_free(writer);
    gosset_model_free(model);
    free_fvecs(vectors);
    return status == GOSSET_OK ? 0 : 1;
}
