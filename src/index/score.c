#include "index/score.h"

#include "base/bytes.h"

/* Not only the candidates: the page is paid for, and neighbours lie on it because rows are in cell order. */
void gosset__score_records(const gosset__store *store, uint64_t page, const uint8_t *data,
                           const gosset__distance *distance, gosset__best *best) {
    const size_t record_size = store->layout.record_size;
    const uint8_t *const end = data + gosset__store_page_records(store, page) * record_size;
    for (const uint8_t *record = data; record < end; record += record_size) {
        const float found = gosset__distance_to(distance, record + sizeof(uint64_t));
        gosset__best_add(best, gosset__load64(record), gosset__rank_of_distance(found));
    }
}

gosset_status gosset__score_page(const gosset__store *store, uint64_t page, const uint8_t *data,
                                 const gosset__distance *distance, gosset__best *best) {
    const gosset_status status = gosset__store_check_page(store, page, data);
    if (status == GOSSET_OK) gosset__score_records(store, page, data, distance, best);
    return status;
}
