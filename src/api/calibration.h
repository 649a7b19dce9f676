/** What an index knows about its own recall: settings per target, and the truth they were measured against. */
#ifndef GOSSET_API_CALIBRATION_H
#define GOSSET_API_CALIBRATION_H

#include "api/truth.h"
#include "index/candidates.h"

enum { GOSSET__CALIBRATION_ENTRIES_MAX = 16, GOSSET__CALIBRATION_TABLES = 3 };

typedef struct gosset__calibration_entry {
    double recall; /* reached with one standard error to spare */
    gosset__effort effort;
    uint32_t rerank;
    double pages; /* expected per query */
} gosset__calibration_entry;

/** Settings for recall@k, recall rising. */
typedef struct gosset__calibration_table {
    uint32_t k, entry_count;
    gosset__calibration_entry entries[GOSSET__CALIBRATION_ENTRIES_MAX];
} gosset__calibration_table;

/** Tables of rising k: 1, 10, 100. A table without entries was not measured (few rows, nothing held out). */
typedef struct gosset__calibration {
    gosset__calibration_table tables[GOSSET__CALIBRATION_TABLES]; /* where leaves are at hand */
    gosset__calibration_table whole[GOSSET__CALIBRATION_TABLES];  /* where all codes of a cell are compared */
} gosset__calibration;
/** Whether any of its settings says which leaves to compare. */
int gosset__calibration_wants_leaves(const gosset__calibration *calibration);
extern const uint32_t gosset__calibration_k[GOSSET__CALIBRATION_TABLES];

/** The bytes kept in the manifest (layout: README.md). Freed by the caller through env. */
gosset_status gosset__calibration_store(const gosset__calibration *calibration, const gosset__truth *truth,
                                        const gosset__env *env, void **data, size_t *size);
/** Trusts nothing. `truth` may be NULL; else it is freed by the caller. `name` opens error sentences. */
gosset_status gosset__calibration_load(gosset__calibration *calibration, gosset__truth *truth, const void *data,
                                       size_t size, const char *name, const gosset__env *env);

/** Bounds of an index that settings must respect. */
typedef struct gosset__extent {
    uint64_t rows, pages;
    uint32_t cells, leaves; /* leaves: 0 = none at hand */
} gosset__extent;

/** Effort, rerank and expected pages for recall@k. */
gosset__calibration_entry gosset__calibration_plan(const gosset__calibration *calibration, const gosset__extent *extent,
                                                   double recall, uint32_t k);
#endif
