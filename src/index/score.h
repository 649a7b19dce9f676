/** A page that was read: checked, and every record on it compared with the query. */
#ifndef GOSSET_INDEX_SCORE_H
#define GOSSET_INDEX_SCORE_H

#include "index/distance.h"
#include "index/store.h"
#include "index/topk.h"

/** GOSSET_E_CORRUPT, naming file and offset, when the page is not the one that was written there. */
gosset_status gosset__score_page(const gosset__store *store, uint64_t page, const uint8_t *data,
                                 const gosset__distance *distance, gosset__best *best);

/** The same for a page that was checked before. */
void gosset__score_records(const gosset__store *store, uint64_t page, const uint8_t *data,
                           const gosset__distance *distance, gosset__best *best);

#endif
