/*
 * Books of additive codes. They start one by one, each by k-means on what the books before leave (as residual
 * quantizers do); then codes and all words take turns: the best sums found for the words, and the words of least
 * squared error for the sums, which are one system of linear equations (Babenko and Lempitsky 2014). Last come the
 * lengths, by Lloyd's algorithm.
 */
#include "base/status.h"
#include "lattice/additive.h"
#include "train/blas.h"
#include "train/residual.h"

#include <math.h>
#include <string.h>

enum {
    ROWS_MAX = 100000,
    ROW_BLOCK = 512,
    PARTS = 8, /* of the rows: each sums for itself */
    MEANS_ROUNDS = 8,
    WORD_ROUNDS = 6,
    LENGTH_ROUNDS = 30,
    START_BEAM = 8,
    WORDS = GOSSET__BOOK_WORDS,
    NIBBLES = GOSSET__ADDITIVE_BOOKS_MAX + 1
};

/* Words are held near where they were as if by this many rows. */
static const double inertia = 1;
/* An error of the length does to a score what this part of the squared error does (measured on SIFT descriptors). */
static const float length_weight = 6;

typedef struct additive_fit {
    const gosset__residual_fitting *fit;
    gosset__additive code;
    uint32_t beam, axes;
    size_t first, rows;
    float *rest, *centroids; /* rows x axes */
    float *left;             /* rows x axes: what the books so far leave */
    float *words, *lengths;  /* of the code */
    float *products;         /* of the words */
    uint8_t *nibbles;        /* rows x NIBBLES */
    float *found;            /* rows: lengths */
    float *errors;           /* rows: squared */
    float *scratch;          /* workers x ROW_BLOCK x 2 words */
    double *sums;            /* PARTS x words x axes */
    double *counts;          /* PARTS x words x words */
} additive_fit;

static gosset_status allocate(additive_fit *self, size_t words) {
    const gosset__env *env = &self->fit->trainer->env;
    const size_t values = self->rows * self->axes;
    const uint32_t threads = gosset__pool_threads(self->fit->trainer->pool);
    self->rest = gosset__alloc_array(env, values, sizeof(float));
    self->centroids = gosset__alloc_array(env, values, sizeof(float));
    self->left = gosset__alloc_array(env, values, sizeof(float));
    self->nibbles = gosset__alloc_array(env, self->rows, NIBBLES);
    self->found = gosset__alloc_array(env, self->rows, sizeof(float));
    self->errors = gosset__alloc_array(env, self->rows, sizeof(float));
    self->scratch = gosset__alloc_array(env, threads * 2 * words, ROW_BLOCK * sizeof(float));
    self->sums = gosset__alloc_array(env, PARTS * words, self->axes * sizeof(double));
    self->counts = gosset__alloc_array(env, PARTS * words, words * sizeof(double));
    if (self->rest && self->centroids && self->left && self->nibbles && self->found && self->errors && self->scratch &&
        self->sums && self->counts)
        return GOSSET_OK;
    return gosset__no_memory("additive codes", 3 * values * sizeof(float));
}

static void release(additive_fit *self) {
    const gosset__env *env = &self->fit->trainer->env;
    void *const blocks[] = {self->rest,   self->centroids, self->left, self->nibbles, self->found,
                            self->errors, self->scratch,   self->sums, self->counts};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) gosset__free(env, blocks[i]);
}

/* ---- codes of the sample -------------------------------------------------------------------- */

static size_t count_blocks(const additive_fit *self) {
    return (self->rows + ROW_BLOCK - 1) / ROW_BLOCK;
}
static size_t block_rows(const additive_fit *self, size_t first) {
    return self->rows - first < ROW_BLOCK ? self->rows - first : ROW_BLOCK;
}

static gosset_status draw_block(void *context, size_t block, uint32_t worker) {
    (void)worker;
    const additive_fit *self = context;
    const size_t first = block * ROW_BLOCK;
    for (size_t r = first; r < first + block_rows(self, first); r++)
        gosset__residual_draw(self->fit, self->first + r, self->rest + r * self->axes,
                              self->centroids + r * self->axes);
    return GOSSET_OK;
}

static gosset_status code_block(void *context, size_t block, uint32_t worker) {
    const additive_fit *self = context;
    const uint32_t words = gosset__additive_words(&self->code), axes = self->axes;
    const size_t first = block * ROW_BLOCK, count = block_rows(self, first);
    float *with_x = self->scratch + (size_t)worker * 2 * ROW_BLOCK * words, *with_centroid = with_x + count * words;
    gosset__product_bt(count, words, axes, self->rest + first * axes, self->words, 0, with_x);
    gosset__product_bt(count, words, axes, self->centroids + first * axes, self->words, 0, with_centroid);
    for (size_t i = 0; i < count; i++) {
        uint8_t *nibbles = self->nibbles + (first + i) * NIBBLES;
        const float *x = self->rest + (first + i) * axes;
        float square = 0;
        for (uint32_t a = 0; a < axes; a++) square += x[a] * x[a];
        self->errors[first + i] =
            square + gosset__additive_search(&self->code, self->beam, self->products, with_x + i * words,
                                             with_centroid + i * words, nibbles);
        self->found[first + i] =
            gosset__additive_length(&self->code, self->products, with_centroid + i * words, nibbles);
    }
    return GOSSET_OK;
}

static gosset_status code_rows(additive_fit *self) {
    gosset__additive_products(&self->code, self->fit->trainer->kernels, self->products);
    return gosset__pool_run(self->fit->trainer->pool, count_blocks(self), code_block, self);
}

static double mean_error(const additive_fit *self) {
    double sum = 0;
    for (size_t r = 0; r < self->rows; r++) sum += (double)self->errors[r];
    return sum / (double)self->rows;
}

/* ---- a new book ----------------------------------------------------------------------------- */

static gosset_status leave_block(void *context, size_t block, uint32_t worker) {
    (void)worker;
    const additive_fit *self = context;
    const size_t first = block * ROW_BLOCK;
    for (size_t r = first; r < first + block_rows(self, first); r++) {
        float *left = self->left + r * self->axes;
        memcpy(left, self->rest + r * self->axes, self->axes * sizeof *left);
        for (uint32_t k = 0; k < self->code.books; k++) {
            const float *word = self->words + (size_t)(k * WORDS + self->nibbles[r * NIBBLES + k]) * self->axes;
            for (uint32_t a = 0; a < self->axes; a++) left[a] -= word[a];
        }
    }
    return GOSSET_OK;
}

/* Sums of the rows nearest to each word of the last book, and how many they are. */
static gosset_status gather_part(void *context, size_t part, uint32_t worker) {
    (void)worker;
    const additive_fit *self = context;
    const uint32_t axes = self->axes;
    const float *words = self->words + (size_t)self->code.books * WORDS * axes;
    double *sums = self->sums + part * WORDS * axes, *counts = self->counts + part * WORDS;
    float halves[WORDS] = {0}, scores[WORDS];
    memset(sums, 0, (size_t)WORDS * axes * sizeof *sums);
    memset(counts, 0, WORDS * sizeof *counts);
    for (uint32_t w = 0; w < WORDS; w++)
        for (uint32_t a = 0; a < axes; a++) halves[w] += 0.5f * words[w * axes + a] * words[w * axes + a];
    for (size_t r = part * self->rows / PARTS; r < (part + 1) * self->rows / PARTS; r++) {
        const float *left = self->left + r * axes;
        uint32_t best = 0;
        self->fit->trainer->kernels->dot_rows(left, words, WORDS, axes, scores);
        for (uint32_t w = 1; w < WORDS; w++)
            if (scores[w] - halves[w] > scores[best] - halves[best]) best = w;
        counts[best]++;
        for (uint32_t a = 0; a < axes; a++) sums[best * axes + a] += (double)left[a];
    }
    return GOSSET_OK;
}

static void move_means(additive_fit *self) {
    const uint32_t axes = self->axes;
    float *words = self->words + (size_t)self->code.books * WORDS * axes;
    for (uint32_t w = 0; w < WORDS; w++) {
        double count = 0;
        for (size_t part = 0; part < PARTS; part++) count += self->counts[part * WORDS + w];
        for (uint32_t a = 0; a < axes && count > 0; a++) {
            double sum = 0;
            for (size_t part = 0; part < PARTS; part++) sum += self->sums[(part * WORDS + w) * axes + a];
            words[w * axes + a] = (float)(sum / count);
        }
    }
}

/* k-means from rows of the sample, which lie in random order. */
static gosset_status add_book(additive_fit *self) {
    gosset_status status;
    gosset__pool *pool = self->fit->trainer->pool;
    const size_t first = (size_t)self->code.books * WORDS % (self->rows - WORDS + 1);
    GOSSET_TRY(gosset__pool_run(pool, count_blocks(self), leave_block, self));
    memcpy(self->words + (size_t)self->code.books * WORDS * self->axes, self->left + first * self->axes,
           (size_t)WORDS * self->axes * sizeof(float));
    for (uint32_t round = 0; round < MEANS_ROUNDS; round++) {
        GOSSET_TRY(gosset__pool_run(pool, PARTS, gather_part, self));
        move_means(self);
    }
    self->code.books++;
    GOSSET_TRY(code_rows(self));
out:
    return status;
}

/* ---- all words at once ---------------------------------------------------------------------- */

/* The normal equations: how often two words are in one sum, and the sum of a word's rows. */
static gosset_status equations_part(void *context, size_t part, uint32_t worker) {
    (void)worker;
    const additive_fit *self = context;
    const uint32_t axes = self->axes, words = gosset__additive_words(&self->code);
    double *sums = self->sums + part * words * axes, *counts = self->counts + part * words * words;
    memset(sums, 0, (size_t)words * axes * sizeof *sums);
    memset(counts, 0, (size_t)words * words * sizeof *counts);
    for (size_t r = part * self->rows / PARTS; r < (part + 1) * self->rows / PARTS; r++) {
        const uint8_t *nibbles = self->nibbles + r * NIBBLES;
        const float *x = self->rest + r * axes;
        for (uint32_t k = 0; k < self->code.books; k++) {
            const size_t word = (size_t)k * WORDS + nibbles[k];
            for (uint32_t l = 0; l <= k; l++) counts[word * words + l * WORDS + nibbles[l]]++;
            for (uint32_t a = 0; a < axes; a++) sums[word * axes + a] += (double)x[a];
        }
    }
    return GOSSET_OK;
}

/* Cholesky: the lower triangle of `matrix` (n x n, positive definite) becomes its root. */
static void take_root(double *matrix, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = matrix[i * n + j];
            for (size_t k = 0; k < j; k++) sum -= matrix[i * n + k] * matrix[j * n + k];
            matrix[i * n + j] = i == j ? sqrt(sum) : sum / matrix[j * n + j];
        }
}

/* Solves root root^T x = right in place, `columns` right sides at once. */
static void solve(const double *root, size_t n, size_t columns, double *right) {
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            for (size_t c = 0; c < columns; c++) right[i * columns + c] -= root[i * n + k] * right[k * columns + c];
        for (size_t c = 0; c < columns; c++) right[i * columns + c] /= root[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t c = 0; c < columns; c++) right[i * columns + c] /= root[i * n + i];
        for (size_t k = 0; k < i; k++)
            for (size_t c = 0; c < columns; c++) right[k * columns + c] -= root[i * n + k] * right[i * columns + c];
    }
}

static gosset_status move_words(additive_fit *self) {
    gosset_status status;
    const size_t axes = self->axes, words = gosset__additive_words(&self->code);
    GOSSET_TRY(gosset__pool_run(self->fit->trainer->pool, PARTS, equations_part, self));
    for (size_t part = 1; part < PARTS; part++) {
        for (size_t i = 0; i < words * axes; i++) self->sums[i] += self->sums[part * words * axes + i];
        for (size_t i = 0; i < words * words; i++) self->counts[i] += self->counts[part * words * words + i];
    }
    for (size_t w = 0; w < words; w++) {
        self->counts[w * words + w] += inertia;
        for (size_t a = 0; a < axes; a++) self->sums[w * axes + a] += inertia * (double)self->words[w * axes + a];
    }
    take_root(self->counts, words);
    solve(self->counts, words, axes, self->sums);
    for (size_t i = 0; i < words * axes; i++) self->words[i] = (float)self->sums[i];
out:
    return status;
}

/* ---- lengths -------------------------------------------------------------------------------- */

/* Lloyd's algorithm in one dimension, from quantiles. Sorts the lengths found. */
static void fit_lengths(additive_fit *self) {
    float *lengths = self->lengths;
    gosset__residual_sort(self->found, self->rows);
    for (size_t l = 0; l < WORDS; l++) lengths[l] = self->found[(2 * l + 1) * self->rows / (2 * WORDS)];
    for (uint32_t round = 0; round < LENGTH_ROUNDS; round++) {
        double sums[WORDS] = {0}, counts[WORDS] = {0};
        uint32_t l = 0;
        for (size_t r = 0; r < self->rows; r++) {
            while (l + 1 < WORDS && self->found[r] - lengths[l] > lengths[l + 1] - self->found[r]) l++;
            sums[l] += (double)self->found[r];
            counts[l]++;
        }
        for (l = 0; l < WORDS; l++)
            if (counts[l] > 0) lengths[l] = (float)(sums[l] / counts[l]);
    }
}

/* ---- result --------------------------------------------------------------------------------- */

static float code_row(const gosset__residual_coder *coder, uint32_t group, const float *rest, const float *centroid,
                      float *decoded) {
    (void)group; /* all share the books */
    const gosset__residual_additive *self = (const gosset__residual_additive *)(const void *)coder;
    const gosset__additive *code = &self->code;
    const uint32_t words = gosset__additive_words(code);
    float with_x[GOSSET__ADDITIVE_WORDS_MAX], with_centroid[GOSSET__ADDITIVE_WORDS_MAX], square = 0;
    uint8_t nibbles[NIBBLES], packed[GOSSET__ADDITIVE_BYTES_MAX];
    self->kernels->dot_rows(rest, code->words, words, code->features, with_x);
    self->kernels->dot_rows(centroid, code->words, words, code->features, with_centroid);
    gosset__additive_search(code, GOSSET__ADDITIVE_BEAM, self->products, with_x, with_centroid, nibbles);
    gosset__additive_pack(code, nibbles, packed);
    for (uint32_t i = 0; i < code->features; i++) square += centroid[i] * centroid[i];
    memcpy(decoded, centroid, code->features * sizeof *decoded);
    gosset__additive_add(code, packed, decoded);
    return square + code->lengths[nibbles[code->books]];
}

/* The books grow in `out`; what they are fitted with is `self`. */
static gosset_status fit_books(additive_fit *self, uint32_t books) {
    gosset_status status;
    GOSSET_TRY(gosset__pool_run(self->fit->trainer->pool, count_blocks(self), draw_block, self));
    while (self->code.books < books) GOSSET_TRY(add_book(self));
    for (uint32_t round = 0; round < WORD_ROUNDS; round++) {
        GOSSET_TRY(move_words(self));
        GOSSET_TRY(code_rows(self));
    }
    self->beam = GOSSET__ADDITIVE_BEAM;
    GOSSET_TRY(code_rows(self));
    const double error = mean_error(self);
    self->code.weight = error > 0 ? length_weight / (float)error : 0;
    fit_lengths(self);
out:
    return status;
}

gosset_status gosset__residual_fit_additive(const gosset__residual_fitting *fit, size_t first, uint32_t books,
                                            gosset__residual_additive *out) {
    gosset_status status = GOSSET_OK;
    const gosset__env *env = &fit->trainer->env;
    const size_t words = (size_t)books * WORDS;
    const size_t rows = fit->rows - first;
    additive_fit self = {
        .fit = fit, .beam = START_BEAM, .axes = fit->axes, .first = first, .rows = rows < ROWS_MAX ? rows : ROWS_MAX};
    gosset__residual_additive_free(out, env);
    *out = (gosset__residual_additive){.coder = {code_row}, .kernels = fit->trainer->kernels};
    out->books = gosset__alloc_zero(env, (WORDS + words * fit->axes) * sizeof(float));
    out->products = gosset__alloc_array(env, words * words, sizeof(float));
    GOSSET_REQUIRE(out->books && out->products, GOSSET_E_NO_MEMORY, "additive codes: no memory for %zu words", words);
    self.lengths = out->books;
    self.words = out->books + WORDS;
    self.products = out->products;
    GOSSET_TRY(allocate(&self, words));
    self.code = (gosset__additive){.features = fit->axes, .lengths = self.lengths, .words = self.words};
    GOSSET_TRY(fit_books(&self, books));
    out->code = self.code;
out:
    release(&self);
    return status;
}

bool gosset__residual_wants_more(const gosset__residual_fitting *fit, size_t first) {
    return first > 0 && fit->rows - first < ROWS_MAX;
}

void gosset__residual_additive_free(gosset__residual_additive *additive, const gosset__env *env) {
    gosset__free(env, additive->books);
    gosset__free(env, additive->products);
}
