/* The table of an index as bytes, and read. */
#include "api/calibration.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"
#include <gosset/index.h>
#include <math.h>

/* Layout of the stored bytes: README.md. */
enum {
    HEADER_SIZE = 32,
    TABLE_SIZE = 8,
    ENTRY_SIZE = 32,
    NEIGHBOUR_SIZE = 16,
    HASH_SIZE = 8,
    VERSION = 2,
    EXACT_ROWS = 1024,  /* so few are all read: nothing to calibrate */
    RERANK_MAX = 65536, /* growing beyond the table ends here */
    PROBE_MAX = 1 << 24
};
/* How much remoter (codec.h) the mean of e times as many cells is, where it was measured: 5 to 6 million. */
static const double reach_of_factor = 6e6;
static const char magic[8] = "GOSCALIB";
const uint32_t gosset__calibration_k[GOSSET__CALIBRATION_TABLES] = {1, GOSSET__TRUTH_K, GOSSET__TRUTH_DEEP_K};

/* ---- bytes -------------------------------------------------------------------------------------- */

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

static uint8_t *store_table(uint8_t *p, const gosset__calibration_table *table) {
    gosset__store32(p, table->k);
    gosset__store32(p + 4, table->entry_count);
    p += TABLE_SIZE;
    for (uint32_t i = 0; i < table->entry_count; i++, p += ENTRY_SIZE) {
        const gosset__calibration_entry *entry = &table->entries[i];
        store_double(p, entry->recall);
        gosset__store32(p + 8, entry->effort.probe);
        gosset__store32(p + 12, entry->rerank);
        store_double(p + 16, entry->pages);
        gosset__store32(p + 24, entry->effort.reach);
        gosset__store32(p + 28, entry->effort.leaf_reach);
    }
    return p;
}

gosset_status gosset__calibration_store(const gosset__calibration *calibration, const gosset__truth *truth,
                                        const gosset__env *env, void **data, size_t *size) {
    size_t neighbours = gosset__truth_at(truth->query_count);
    size_t total = HEADER_SIZE + neighbours * NEIGHBOUR_SIZE + HASH_SIZE;
    for (size_t t = 0; t < GOSSET__CALIBRATION_TABLES; t++)
        total += 2 * TABLE_SIZE + (calibration->tables[t].entry_count + calibration->whole[t].entry_count) * ENTRY_SIZE;
    uint8_t *p = gosset__alloc_zero(env, total);
    if (!p) return gosset__no_memory("calibration", total);
    *data = p, *size = total;
    memcpy(p, magic, sizeof magic);
    gosset__store32(p + 8, VERSION);
    gosset__store32(p + 12, GOSSET__CALIBRATION_TABLES);
    gosset__store32(p + 16, truth->query_count);
    gosset__store32(p + 20, GOSSET__TRUTH_K);
    gosset__store32(p + 24, GOSSET__TRUTH_DEEP_K);
    gosset__store32(p + 28, GOSSET__TRUTH_DEEP_QUERIES);
    p += HEADER_SIZE;
    for (size_t t = 0; t < GOSSET__CALIBRATION_TABLES; t++) p = store_table(p, &calibration->tables[t]);
    for (size_t t = 0; t < GOSSET__CALIBRATION_TABLES; t++) p = store_table(p, &calibration->whole[t]);
    for (size_t i = 0; i < neighbours; i++, p += NEIGHBOUR_SIZE) {
        memcpy(p, &truth->lists[i].distance, 4);
        gosset__store32(p + 4, truth->lists[i].tag);
        gosset__store64(p + 8, truth->lists[i].id);
    }
    gosset__store64(p, gosset__hash(*data, total - HASH_SIZE, 0));
    return GOSSET_OK;
}

/* Moves *at past one table that lies before `end`; `whole`: it knows no leaves. */
static gosset_status load_table(gosset__calibration_table *table, const uint8_t **at, const uint8_t *end, uint32_t k,
                                int whole, const char *name) {
    const uint8_t *p = *at;
    if (end - p < TABLE_SIZE || gosset__load32(p) != k || gosset__load32(p + 4) > GOSSET__CALIBRATION_ENTRIES_MAX ||
        end - p - TABLE_SIZE < (ptrdiff_t)gosset__load32(p + 4) * ENTRY_SIZE)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: the table of k = %u is out of bounds", name, k);
    table->k = k;
    table->entry_count = gosset__load32(p + 4);
    p += TABLE_SIZE;
    double last = 0;
    for (uint32_t i = 0; i < table->entry_count; i++, p += ENTRY_SIZE) {
        gosset__calibration_entry *entry = &table->entries[i];
        *entry = (gosset__calibration_entry){
            .recall = load_double(p),
            .effort = {gosset__load32(p + 8), gosset__load32(p + 24), gosset__load32(p + 28)},
            .rerank = gosset__load32(p + 12),
            .pages = load_double(p + 16)};
        if (!(entry->recall > last && entry->recall < 1 && entry->pages > 0 && entry->pages < 1e9) ||
            entry->effort.probe < 1 || entry->rerank < 1 ||
            (entry->effort.leaf_reach > 0 && (whole || entry->effort.reach == 0)))
            return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: entry %u of k = %u is out of bounds", name, i, k);
        last = entry->recall;
    }
    *at = p;
    return GOSSET_OK;
}

static gosset_status load_truth(gosset__truth *truth, uint32_t query_count, const uint8_t *p, const char *name,
                                const gosset__env *env) {
    gosset_status status = gosset__truth_create(truth, query_count, env);
    for (size_t q = 0; status == GOSSET_OK && q < query_count; q++) {
        gosset__neighbour *list = truth->lists + gosset__truth_at(q);
        for (uint32_t i = 0; i < gosset__truth_depth(q); i++, p += NEIGHBOUR_SIZE) {
            memcpy(&list[i].distance, p, 4);
            list[i].tag = gosset__load32(p + 4);
            list[i].id = gosset__load64(p + 8);
            if (isnan(list[i].distance) || (i > 0 && gosset__nearer(&list[i], &list[i - 1])))
                status = gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: neighbours of query %zu are not in order",
                                      name, q);
        }
    }
    if (status != GOSSET_OK) gosset__truth_free(truth, env);
    return status;
}

gosset_status gosset__calibration_load(gosset__calibration *calibration, gosset__truth *truth, const void *data,
                                       size_t size, const char *name, const gosset__env *env) {
    const uint8_t *p = data;
    gosset_status status = GOSSET_OK;
    memset(calibration, 0, sizeof *calibration);
    if (truth) *truth = (gosset__truth){0, NULL};
    if (size < HEADER_SIZE + HASH_SIZE || memcmp(p, magic, sizeof magic) != 0)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: expected its header, found %zu other bytes", name,
                            size);
    const uint8_t *end = p + size - HASH_SIZE;
    if (gosset__load64(end) != gosset__hash(p, size - HASH_SIZE, 0))
        return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: checksum differs", name);
    const uint32_t version = gosset__load32(p + 8);
    if (version != VERSION)
        return gosset__fail(GOSSET_E_FORMAT_VERSION, "%s: calibration: version: expected %d, found %u", name, VERSION,
                            version);
    uint32_t queries = gosset__load32(p + 16);
    if (gosset__load32(p + 12) != GOSSET__CALIBRATION_TABLES || queries > GOSSET__TRUTH_QUERIES_MAX ||
        gosset__load32(p + 20) != GOSSET__TRUTH_K || gosset__load32(p + 24) != GOSSET__TRUTH_DEEP_K ||
        gosset__load32(p + 28) != GOSSET__TRUTH_DEEP_QUERIES)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: header: counts out of bounds", name);
    p += HEADER_SIZE;
    for (size_t t = 0; status == GOSSET_OK && t < GOSSET__CALIBRATION_TABLES; t++)
        status = load_table(&calibration->tables[t], &p, end, gosset__calibration_k[t], 0, name);
    for (size_t t = 0; status == GOSSET_OK && t < GOSSET__CALIBRATION_TABLES; t++)
        status = load_table(&calibration->whole[t], &p, end, gosset__calibration_k[t], 1, name);
    if (status != GOSSET_OK) return status;
    if ((size_t)(end - p) != gosset__truth_at(queries) * NEIGHBOUR_SIZE)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: expected %zu bytes of neighbours, found %zu", name,
                            gosset__truth_at(queries) * NEIGHBOUR_SIZE, (size_t)(end - p));
    return truth ? load_truth(truth, queries, p, name, env) : GOSSET_OK;
}

int gosset__calibration_wants_leaves(const gosset__calibration *calibration) {
    int wants = 0;
    for (size_t t = 0; t < GOSSET__CALIBRATION_TABLES; t++)
        for (uint32_t i = 0; i < calibration->tables[t].entry_count; i++)
            wants |= calibration->tables[t].entries[i].effort.leaf_reach > 0;
    return wants;
}

/* ---- plans -------------------------------------------------------------------------------------- */

static uint32_t between(uint32_t a, uint32_t b, double t) {
    return a > 0 && b > 0 ? (uint32_t)ceil(a + ((double)b - a) * t) : 0;
}

/* Everything here changes by factors: a and b are mixed in logarithms. */
static gosset__calibration_entry mix(const gosset__calibration_entry *a, const gosset__calibration_entry *b, double t) {
    const gosset__effort *x = &a->effort, *y = &b->effort;
    gosset__calibration_entry entry = {.pages = a->pages * pow(b->pages / a->pages, t)};
    entry.effort.probe = (uint32_t)fmin(ceil(x->probe * pow((double)y->probe / x->probe, t) - 1e-9), PROBE_MAX);
    entry.effort.reach = between(x->reach, y->reach, t);
    entry.effort.leaf_reach = between(x->leaf_reach, y->leaf_reach, t);
    entry.rerank = (uint32_t)fmin(ceil(a->rerank * pow((double)b->rerank / a->rerank, t) - 1e-9), RERANK_MAX);
    return entry;
}

static uint32_t farther(uint32_t reach, double factor) {
    return reach > 0 ? (uint32_t)fmin(reach + reach_of_factor * log(factor), UINT32_MAX) : 0;
}

static gosset__calibration_entry scale(const gosset__calibration_entry *a, double factor) {
    const gosset__effort *x = &a->effort;
    gosset__calibration_entry entry = {.pages = a->pages * factor};
    entry.effort.probe = (uint32_t)fmin(ceil(x->probe * factor), fmax(PROBE_MAX, x->probe));
    entry.effort.reach = farther(x->reach, factor);
    entry.effort.leaf_reach = farther(x->leaf_reach, factor);
    entry.rerank = (uint32_t)fmin(ceil(a->rerank * factor), fmax(RERANK_MAX, a->rerank));
    return entry;
}

/* Settings of one table. Between entries misses, probe and rerank follow straight lines in logarithms; beyond the
 * last the misses must fall by a known factor, and both settings grow by it. */
static gosset__calibration_entry look_up(const gosset__calibration_table *table, double recall) {
    const gosset__calibration_entry *entries = table->entries;
    uint32_t count = table->entry_count, i = 1;
    if (recall <= entries[0].recall) return entries[0];
    if (recall >= entries[count - 1].recall)
        return scale(&entries[count - 1], (1 - entries[count - 1].recall) / (1 - recall));
    while (recall > entries[i].recall) i++;
    double from = 1 - entries[i - 1].recall;
    return mix(&entries[i - 1], &entries[i], log(from / (1 - recall)) / log(from / (1 - entries[i].recall)));
}

/* Between the measured k; beyond the last in proportion to k, which has been enough where it was tried. */
static gosset__calibration_entry look_up_k(const gosset__calibration_table *tables, double recall, uint32_t k) {
    size_t upper = 1;
    while (upper + 1 < GOSSET__CALIBRATION_TABLES && k > tables[upper].k) upper++;
    gosset__calibration_entry b = look_up(&tables[upper], recall);
    if (k >= tables[upper].k) return scale(&b, (double)k / tables[upper].k);
    gosset__calibration_entry a = look_up(&tables[upper - 1], recall);
    double step = log((double)tables[upper].k / tables[upper - 1].k);
    return mix(&a, &b, log((double)k / tables[upper - 1].k) / step);
}

gosset__calibration_entry gosset__calibration_plan(const gosset__calibration *calibration, const gosset__extent *extent,
                                                   double recall, uint32_t k) {
    const gosset__calibration_table *tables = extent->leaves ? calibration->tables : calibration->whole;
    gosset__calibration_entry plan;
    int measured = 1;
    for (size_t t = 0; t < GOSSET__CALIBRATION_TABLES; t++) measured &= tables[t].entry_count > 0;
    if (extent->rows <= EXACT_ROWS) {
        plan = (gosset__calibration_entry){
            .effort = {.probe = extent->cells}, .rerank = (uint32_t)extent->rows, .pages = (double)extent->pages};
    } else if (measured) {
        plan = look_up_k(tables, recall, k);
    } else {
        /* Nothing is known: all cells, and a depth that halves the misses when it doubles. k 10 at 0.95: 400. */
        double depth = fmin((k > 10 ? 2.0 * k : 20.0) / (1 - recall), RERANK_MAX);
        plan =
            (gosset__calibration_entry){.effort = {.probe = extent->cells}, .rerank = (uint32_t)depth, .pages = depth};
    }
    plan.recall = recall;
    if (plan.rerank < k) plan.rerank = k;
    if (plan.rerank > extent->rows) plan.rerank = (uint32_t)extent->rows;
    if (plan.rerank < 1) plan.rerank = 1;
    if (plan.effort.probe > extent->cells) plan.effort.probe = extent->cells;
    if (plan.effort.probe < 1) plan.effort.probe = 1;
    plan.pages = fmin(plan.pages, fmin((double)extent->pages, plan.rerank));
    return plan;
}
