/** What the store's own files share. */
#ifndef GOSSET_INDEX_STORE_INTERNAL_H
#define GOSSET_INDEX_STORE_INTERNAL_H

#include "index/manifest.h"
#include "index/shard.h"

/** One opened shard: header checked, descriptor for buffered reads. */
typedef struct gosset__shard {
    int fd;
    char path[GOSSET__PATH_MAX];
    gosset__shard_header header;
} gosset__shard;

/** Opens what a manifest describes, whether the manifest is published or not. */
gosset_status gosset__store_open_manifest(gosset__store **out, const char *directory, const gosset__manifest *manifest,
                                          const char *io, const gosset__env *env);

/** Opens shard `number` and checks its header, its length, and the manifest's entry. */
gosset_status gosset__shard_open(gosset__shard *shard, const char *directory, const gosset__manifest *manifest,
                                 uint32_t number);
void gosset__shard_close(gosset__shard *shard);

/** Visits the cell directory of a shard in order, after its checksum and its rules were checked. */
typedef gosset_status (*gosset__cell_fn)(void *context, uint32_t cell, uint32_t rows);
gosset_status gosset__shard_cells(const gosset__shard *shard, const gosset__env *env, gosset__cell_fn visit,
                                  void *context);

/** Visits the codes of a shard in chunks; a wrong checksum is found after the last one. */
gosset_status gosset__shard_codes(const gosset__shard *shard, const gosset__env *env, gosset__codes_fn visit,
                                  void *context);

/** The sentence of a page that fails. */
gosset_status gosset__page_damaged(const gosset__shard *shard, uint64_t page);

#endif
