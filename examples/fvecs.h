/* Reads a TEXMEX .fvecs file: each vector is an int32 dimension followed by that many floats. */
#ifndef FVECS_H
#define FVECS_H

#include <gosset/common.h>
#include <stdio.h>
#include <stdlib.h>

/* On success view.data is a block to free(); on failure it is NULL. */
static gosset_vectors read_fvecs(const char *path) {
    gosset_vectors view = {NULL, 0, 0, 0, GOSSET_F32};
    FILE *file = fopen(path, "rb");
    int32_t dimension = 0;
    if (!file || fread(&dimension, 4, 1, file) != 1 || dimension < 1 || dimension > 4096) {
        fprintf(stderr, "%s: cannot read it as .fvecs\n", path);
        if (file) fclose(file);
        return view;
    }
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    size_t stride = 4 + 4 * (size_t)dimension;
    char *block = size > 0 ? (char *)malloc((size_t)size) : NULL;
    if (block && fread(block, 1, (size_t)size, file) == (size_t)size) {
        /* The library reads strided rows, so the dimensions between the vectors may stay where they are. */
        view.data = block + 4;
        view.stride = stride;
        view.count = (size_t)size / stride;
        view.dimension = (uint32_t)dimension;
    } else {
        fprintf(stderr, "%s: cannot read %ld bytes\n", path, size);
        free(block);
    }
    fclose(file);
    return view;
}

static void free_fvecs(gosset_vectors vectors) {
    if (vectors.data) free((char *)vectors.data - 4);
}
#endif
