/** Views of vectors: are they what they claim, and where is row i. */
#ifndef GOSSET_API_VECTORS_H
#define GOSSET_API_VECTORS_H

#include "base/env.h"

enum { GOSSET__VECTOR_MAX_DIMENSION = 4096, GOSSET__MAX_K = 1024 };

const char *gosset__type_name(gosset_type type);

/** Fields possible, and every float finite. `what` ("queries") opens the sentence. */
gosset_status gosset__vectors_check(const gosset_vectors *vectors, const char *what);
/** Also of this dimension; GOSSET_E_DIMENSION tells both. */
gosset_status gosset__vectors_expect(const gosset_vectors *vectors, const char *what, uint32_t dimension);

size_t gosset__vectors_row_size(const gosset_vectors *vectors);
const void *gosset__vectors_row(const gosset_vectors *vectors, size_t row);
/** Rows [first, first + count), one after the other without gaps. */
void gosset__vectors_copy(const gosset_vectors *vectors, size_t first, size_t count, void *out);
/** The same, converted to floats. */
void gosset__vectors_to_f32(const gosset_vectors *vectors, size_t first, size_t count, float *out);
#endif
