/** Vectors in the type in which an index keeps them. */
#ifndef GOSSET_API_RECORDS_H
#define GOSSET_API_RECORDS_H

#include <gosset/index.h>

/** The stored type; `given` is that of the added vectors. GOSSET_E_ARGUMENT for a number that is no choice. */
gosset_status gosset__records_type(gosset_type *out, gosset_records records, gosset_type given);

/** GOSSET_E_ARGUMENT naming the first row, counted from `first`, that cannot be kept in this type. */
gosset_status gosset__records_check(const gosset_vectors *vectors, gosset_type type, uint64_t first);
/** count x dimension elements of the type, from vectors that were checked. */
void gosset__records_convert(const gosset_vectors *vectors, gosset_type type, void *out);

#endif
