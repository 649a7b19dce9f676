/** An index directory: names of its files, the writer's lock, and what may be removed. */
#ifndef GOSSET_INDEX_DIRECTORY_H
#define GOSSET_INDEX_DIRECTORY_H

#include "base/file.h"

enum { GOSSET__NAME_MAX = 64 };
#define GOSSET__MANIFEST_NAME "MANIFEST.gosset"
#define GOSSET__LOCK_NAME     "LOCK"

void gosset__shard_name(char out[GOSSET__NAME_MAX], uint64_t generation, uint32_t number);
void gosset__model_name(char out[GOSSET__NAME_MAX], uint64_t generation);
void gosset__sort_name(char out[GOSSET__NAME_MAX], uint32_t number); /* temporary files of the external sort */

typedef enum gosset__file_kind {
    GOSSET__FILE_OTHER, /* not ours: never touched */
    GOSSET__FILE_SHARD,
    GOSSET__FILE_MODEL,
    GOSSET__FILE_TEMPORARY
} gosset__file_kind;
/** Only the exact names that the functions above give are recognised. */
gosset__file_kind gosset__file_parse(const char *name, uint64_t *generation, uint32_t *number);

/** Calls visit for every file of ours; a failure ends the walk. */
typedef gosset_status (*gosset__visit_fn)(void *context, const char *directory, const char *name,
                                          gosset__file_kind kind, uint64_t generation, uint32_t number);
gosset_status gosset__directory_walk(const char *directory, gosset__visit_fn visit, void *context);

/** Creates the directory if need be (*created) and locks it against other writers: GOSSET_E_STATE. */
gosset_status gosset__directory_lock(const char *directory, int *fd, int *created);
/** Removes the lock, and the directory itself if `remove` and nothing is in it. */
void gosset__directory_unlock(const char *directory, int fd, int remove);

/** Removes every file of ours but those of one generation with shard numbers below `shards` (0 = all). */
gosset_status gosset__directory_clean(const char *directory, uint64_t generation, uint32_t shards);
/** The largest generation any file name holds; 0 if none. */
gosset_status gosset__directory_newest(const char *directory, uint64_t *generation);

#endif
