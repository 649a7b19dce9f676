#include "coder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FaissIndex *create(const char *factory, uint32_t dimension, size_t *size, bench_results *results) {
    FaissIndex *index = NULL;
    bench_faiss_try(results, factory, faiss_index_factory(&index, (int)dimension, factory, METRIC_L2));
    bench_faiss_try(results, factory, faiss_Index_sa_code_size(index, size));
    return index;
}

/* FAISS writes the number of a list into as many bytes as the last one takes. */
static uint32_t list_bytes(const char *factory) {
    const char *lists = strstr(factory, "IVF");
    unsigned long last = lists ? strtoul(lists + 3, NULL, 10) - 1 : 0;
    uint32_t bytes = 0;
    for (; last; last >>= 8) bytes++;
    return bytes;
}

void coder_create(bench_coder *self, const char *factory, uint32_t dimension, bench_results *results) {
    char first[96];
    const char *bar = strchr(factory, '|');
    memset(self, 0, sizeof *self);
    self->dimension = dimension;
    snprintf(first, sizeof first, "%.*s", bar ? (int)(bar - factory) : 90, factory);
    self->first = create(first, dimension, &self->size[0], results);
    if (bar) self->second = create(bar + 1, dimension, &self->size[1], results);
    self->cell_bytes = bar ? (uint32_t)self->size[0] : list_bytes(factory);
}

size_t coder_size(const bench_coder *self) {
    return self->size[0] + self->size[1];
}

/* One part of every code, between its place among the others and an array of its own. */
static void copy_part(const bench_coder *self, int part, size_t count, uint8_t *codes, uint8_t *own, int gather) {
    const size_t size = self->size[part], stride = coder_size(self), start = part ? self->size[0] : 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t *place = codes + i * stride + start;
        memcpy(gather ? own + i * size : place, gather ? place : own + i * size, size);
    }
}

/* What the first code leaves of the rows, in their place. */
static void encode_first(bench_coder *self, float *rows, size_t count, uint8_t *codes, bench_results *results) {
    const size_t values = count * self->dimension;
    bench_faiss_try(results, "encode", faiss_Index_sa_encode(self->first, (idx_t)count, rows, codes));
    if (!self->second) return;
    float *decoded = bench_memory(values * sizeof *decoded);
    bench_faiss_try(results, "decode", faiss_Index_sa_decode(self->first, (idx_t)count, codes, decoded));
    for (size_t i = 0; i < values; i++) rows[i] -= decoded[i];
    free(decoded);
}

void coder_train(bench_coder *self, float *rows, size_t count, bench_results *results) {
    bench_faiss_try(results, "train", faiss_Index_train(self->first, (idx_t)count, rows));
    if (!self->second) return;
    uint8_t *codes = bench_memory(count * self->size[0]);
    encode_first(self, rows, count, codes, results);
    free(codes);
    bench_faiss_try(results, "train", faiss_Index_train(self->second, (idx_t)count, rows));
}

void coder_encode(bench_coder *self, float *rows, size_t count, uint8_t *codes, bench_results *results) {
    uint8_t *own = bench_memory(count * (self->size[0] > self->size[1] ? self->size[0] : self->size[1]));
    encode_first(self, rows, count, own, results);
    copy_part(self, 0, count, codes, own, 0);
    if (self->second) {
        bench_faiss_try(results, "encode", faiss_Index_sa_encode(self->second, (idx_t)count, rows, own));
        copy_part(self, 1, count, codes, own, 0);
    }
    free(own);
}

void coder_decode(bench_coder *self, size_t count, uint8_t *codes, float *rows, bench_results *results) {
    const size_t values = count * self->dimension;
    if (!self->second) {
        bench_faiss_try(results, "decode", faiss_Index_sa_decode(self->first, (idx_t)count, codes, rows));
        return;
    }
    uint8_t *own = bench_memory(count * (self->size[0] > self->size[1] ? self->size[0] : self->size[1]));
    float *residual = bench_memory(values * sizeof *residual);
    copy_part(self, 0, count, codes, own, 1);
    bench_faiss_try(results, "decode", faiss_Index_sa_decode(self->first, (idx_t)count, own, rows));
    copy_part(self, 1, count, codes, own, 1);
    bench_faiss_try(results, "decode", faiss_Index_sa_decode(self->second, (idx_t)count, own, residual));
    for (size_t i = 0; i < values; i++) rows[i] += residual[i];
    free(residual);
    free(own);
}
