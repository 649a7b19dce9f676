#include "api/calibration.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"
#include <gosset/index.h>
#include <math.h>

/* Layout of the stored bytes: README.md. */
enum { HEADER_SIZE = 32, ENTRY_SIZE = 24, NEIGHBOUR_SIZE = 16, HASH_SIZE = 8, VERSION = 1 };
static const char magic[8] = "GOSCALIB";

enum {
    EXACT_ROWS = 1024,  /* so few are all read: nothing to calibrate */
    RERANK_MAX = 65536, /* growing beyond the table ends here */
};

static void store_double(uint8_t *p, double value) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    gosset__store64(p, bits);
}

static double load_double(const uint8_t *p) {
    double value;
    memcpy(&value, p, 8);
    return value;
}

gosset_status gosset__calibration_store(const gosset__calibration *calibration, const gosset__truth *truth,
                                        const gosset__env *env, void **data, size_t *size) {
    size_t neighbours = (size_t)truth->query_count * GOSSET__TRUTH_K;
    size_t total = HEADER_SIZE + calibration->entry_count * ENTRY_SIZE + neighbours * NEIGHBOUR_SIZE + HASH_SIZE;
    uint8_t *p = gosset__alloc_zero(env, total);
    if (!p) return gosset__no_memory("calibration", total);
    *data = p, *size = total;
    memcpy(p, magic, sizeof magic);
    gosset__store32(p + 8, VERSION);
    gosset__store32(p + 12, calibration->entry_count);
    gosset__store32(p + 16, truth->query_count);
    gosset__store32(p + 20, GOSSET__TRUTH_K);
    p += HEADER_SIZE;
    for (uint32_t i = 0; i < calibration->entry_count; i++, p += ENTRY_SIZE) {
        const gosset__calibration_entry *entry = &calibration->entries[i];
        store_double(p, entry->recall);
        gosset__store32(p + 8, entry->probe);
        gosset__store32(p + 12, entry->rerank);
        store_double(p + 16, entry->pages);
    }
    for (size_t i = 0; i < neighbours; i++, p += NEIGHBOUR_SIZE) {
        memcpy(p, &truth->lists[i].distance, 4);
        gosset__store32(p + 4, truth->lists[i].tag);
        gosset__store64(p + 8, truth->lists[i].id);
    }
    gosset__store64(p, gosset__hash(*data, total - HASH_SIZE, 0));
    return GOSSET_OK;
}

static gosset_status load_entries(gosset__calibration *calibration, const uint8_t *p, const char *name) {
    double last = 0;
    for (uint32_t i = 0; i < calibration->entry_count; i++, p += ENTRY_SIZE) {
        gosset__calibration_entry *entry = &calibration->entries[i];
        entry->recall = load_double(p);
        entry->probe = gosset__load32(p + 8);
        entry->rerank = gosset__load32(p + 12);
        entry->pages = load_double(p + 16);
        if (!(entry->recall > last && entry->recall < 1 && entry->pages > 0 && entry->pages < 1e9) ||
            entry->probe < 1 || entry->rerank < 1)
            return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: entry %u is out of bounds", name, i);
        last = entry->recall;
    }
    return GOSSET_OK;
}

static gosset_status load_truth(gosset__truth *truth, uint32_t query_count, const uint8_t *p, const char *name,
                                const gosset__env *env) {
    gosset_status status = gosset__truth_create(truth, query_count, env);
    if (status != GOSSET_OK) return status;
    for (size_t i = 0; i < (size_t)query_count * GOSSET__TRUTH_K; i++, p += NEIGHBOUR_SIZE) {
        gosset__neighbour *n = &truth->lists[i];
        memcpy(&n->distance, p, 4);
        n->tag = gosset__load32(p + 4);
        n->id = gosset__load64(p + 8);
        if (isnan(n->distance) || (i % GOSSET__TRUTH_K && gosset__nearer(n, n - 1))) {
            gosset__truth_free(truth, env);
            return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: neighbours of query %zu are not in order", name,
                                i / GOSSET__TRUTH_K);
        }
    }
    return GOSSET_OK;
}

gosset_status gosset__calibration_load(gosset__calibration *calibration, gosset__truth *truth, const void *data,
                                       size_t size, const char *name, const gosset__env *env) {
    const uint8_t *p = data;
    memset(calibration, 0, sizeof *calibration);
    if (truth) *truth = (gosset__truth){0, NULL};
    if (size < HEADER_SIZE + HASH_SIZE || memcmp(p, magic, sizeof magic) != 0)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: expected its header, found %zu other bytes", name,
                            size);
    if (gosset__load64(p + size - HASH_SIZE) != gosset__hash(p, size - HASH_SIZE, 0))
        return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: checksum differs", name);
    if (gosset__load32(p + 8) != VERSION)
        return gosset__fail(GOSSET_E_FORMAT_VERSION, "%s: calibration: version: expected %d, found %u", name, VERSION,
                            gosset__load32(p + 8));
    uint32_t entries = gosset__load32(p + 12), queries = gosset__load32(p + 16);
    if (entries > GOSSET__CALIBRATION_ENTRIES_MAX || queries > GOSSET__TRUTH_QUERIES_MAX ||
        gosset__load32(p + 20) != GOSSET__TRUTH_K)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: counts out of bounds: %u entries, %u queries of %u",
                            name, entries, queries, gosset__load32(p + 20));
    size_t expected = HEADER_SIZE + (size_t)entries * ENTRY_SIZE +
                      (size_t)queries * GOSSET__TRUTH_K * NEIGHBOUR_SIZE + HASH_SIZE;
    if (size != expected)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: expected %zu bytes, found %zu", name, expected, size);
    calibration->entry_count = entries;
    gosset_status status = load_entries(calibration, p + HEADER_SIZE, name);
    if (status == GOSSET_OK && truth)
        status = load_truth(truth, queries, p + HEADER_SIZE + (size_t)entries * ENTRY_SIZE, name, env);
    return status;
}

/* Straight lines over log(1 - recall): misses, probe, rerank and pages all change by factors. */
static gosset__calibration_entry between(const gosset__calibration_entry *a, const gosset__calibration_entry *b,
                                         double recall) {
    double t = log((1 - a->recall) / (1 - recall)) / log((1 - a->recall) / (1 - b->recall));
    gosset__calibration_entry entry = {recall, 0, 0, a->pages * pow(b->pages / a->pages, t)};
    entry.probe = (uint32_t)ceil(a->probe * pow((double)b->probe / a->probe, t) - 1e-9);
    entry.rerank = (uint32_t)ceil(a->rerank * pow((double)b->rerank / a->rerank, t) - 1e-9);
    return entry;
}

/* Beyond the table the misses must fall by a known factor: both settings grow by it. */
static gosset__calibration_entry beyond(const gosset__calibration_entry *last, double recall) {
    double factor = (1 - last->recall) / (1 - recall);
    gosset__calibration_entry entry = {recall, 0, 0, last->pages * factor};
    entry.probe = (uint32_t)fmin(ceil(last->probe * factor), (double)(1 << 24));
    entry.rerank = (uint32_t)fmin(ceil(last->rerank * factor), fmax(RERANK_MAX, last->rerank));
    return entry;
}

static gosset__calibration_entry clamp(gosset__calibration_entry entry, const gosset__extent *extent, uint32_t k) {
    if (entry.rerank < k) entry.rerank = k;
    if (entry.rerank > extent->rows) entry.rerank = (uint32_t)extent->rows;
    if (entry.rerank < 1) entry.rerank = 1;
    if (entry.probe > extent->cells) entry.probe = extent->cells;
    if (entry.probe < 1) entry.probe = 1;
    entry.pages = fmin(entry.pages, fmin((double)extent->pages, entry.rerank));
    return entry;
}

gosset__calibration_entry gosset__calibration_plan(const gosset__calibration *calibration,
                                                   const gosset__extent *extent, double recall, uint32_t k) {
    const gosset__calibration_entry *entries = calibration->entries;
    uint32_t count = calibration->entry_count;
    gosset__calibration_entry plan;
    if (extent->rows <= EXACT_ROWS) {
        plan = (gosset__calibration_entry){recall, extent->cells, (uint32_t)extent->rows, (double)extent->pages};
    } else if (count == 0) {
        /* Nothing measured: all cells, and a depth that halves the misses when it doubles. 0.95 gives 400. */
        double depth = fmin(20 / (1 - recall), RERANK_MAX);
        plan = (gosset__calibration_entry){recall, extent->cells, (uint32_t)depth, depth};
    } else if (recall <= entries[0].recall) {
        plan = entries[0];
    } else if (recall >= entries[count - 1].recall) {
        plan = beyond(&entries[count - 1], recall);
    } else {
        uint32_t i = 1;
        while (recall > entries[i].recall) i++;
        plan = between(&entries[i - 1], &entries[i], recall);
    }
    /* Measured at k = 10. More neighbours lie deeper and in more cells; fewer are found at least as well. */
    if (k > GOSSET__TRUTH_K) {
        double factor = (double)k / GOSSET__TRUTH_K;
        plan.rerank = (uint32_t)fmin(ceil(plan.rerank * factor), (double)UINT32_MAX);
        plan.probe = (uint32_t)fmin(ceil(plan.probe * factor), (double)UINT32_MAX);
        plan.pages *= factor;
    }
    return clamp(plan, extent, k);
}
