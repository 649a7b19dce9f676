/**
 * Many queries planned together: cells are visited once for all queries that probe them, so that their codes and what
 * the codec knows of them come from memory once, and a view of a query is made where the cells that need it follow each
 * other. The candidates of each query are those it would find alone.
 */
#ifndef GOSSET_INDEX_BATCH_H
#define GOSSET_INDEX_BATCH_H

#include "index/candidates.h"
#include "index/search.h"

enum {
    GOSSET__BATCH_EACH = 256, /* visits to a cell that has rows, and candidates on the way: room for so many a query */
    GOSSET__BATCH_STEP = 1 << 10 /* visits between two looks at what else is to be done */
};

/** Who visits a cell, and which of its leaves (candidates.h). */
typedef struct gosset__visitor {
    uint16_t query, margin;
} gosset__visitor;

/** A cell of one query; once sorted, queries of a cell follow each other. */
typedef struct gosset__visit {
    uint32_t place; /* of the cell in the order of visits */
    gosset__visitor visitor;
} gosset__visit;

/** Rows whose bounds promise something, for some queries of a cell: they wait for the second plane to come from memory.
 */
typedef struct gosset__promised {
    uint64_t row;            /* of position 0 */
    uint32_t members, which; /* bits of them; which aims are theirs */
    const gosset__visitor *visitors;
    uint32_t found[GOSSET__SCAN_MANY]; /* by the j-th member */
} gosset__promised;

/** The pointers lead into a block of its own (batch.c draws it). */
typedef struct gosset__batch {
    void *block;
    size_t size;
    uint32_t most, room, rerank; /* queries it was made for and those it has room for, and candidates of each */
    uint32_t count;              /* queries gathered */
    uint32_t visit_count;
    uint32_t *cell_at, *place_of; /* cells: those of a group follow each other; and its inverse */
    uint32_t *first;              /* cells + 1: the visits of a place */
    gosset__visit *visits;        /* most x GOSSET__BATCH_EACH, as they were gathered */
    gosset__visitor *visitors;    /* likewise, sorted by place */
    uint32_t *seen;               /* room: 1 + the group a view was made for last */
    uint8_t *subjects, *views;    /* room */
    gosset__ranked *items;        /* room x gosset__best_capacity(rerank) */
    gosset__best *best;           /* room */
    gosset__ranked *kept;         /* room x rerank: what the scan before this one found */
    uint32_t *kept_count;         /* room */
    uint32_t ahead;               /* the place whose codes are asked for after [next, end) */
    const uint8_t *next, *end;
    gosset__aim *aims[2]; /* of the queries that visit a cell together, and of those that visited the one before */
    uint32_t which;       /* are the present ones */
    gosset__promised promised;
    uint64_t rows_compared;
    uint8_t *whole;  /* a scan's blocks of both planes */
    int32_t *scores; /* GOSSET__SCAN_ROWS; as positions */
    uint32_t *positions;
    int32_t *bounds; /* of promised rows */
} gosset__batch;

/** Queries of this kind it makes sense to plan together, at most `most`; less than 2: none. */
uint32_t gosset__batch_room(uint32_t probe, uint32_t rerank, uint32_t most);
/** Whether it has memory for so many queries with so many candidates. */
static inline bool gosset__batch_fits(const gosset__batch *batch, uint32_t rerank, uint32_t most) {
    return batch->block != NULL && rerank <= batch->rerank && most <= batch->most;
}
/** Sees to that. What it has found and kept is lost. */
gosset_status gosset__batch_reserve(gosset__batch *batch, const gosset__candidates *candidates, uint32_t rerank,
                                    uint32_t most, const gosset__env *env);
void gosset__batch_free(gosset__batch *batch, const gosset__env *env);

/** Takes in the query whose cells `candidates` has probed last. False, and nothing happened, when it is full. */
bool gosset__batch_gather(gosset__batch *batch, gosset__candidates *candidates, const float *latent, uint32_t rerank);
/** Scans for all of them; now and then `meanwhile` is called. */
void gosset__batch_scan(gosset__batch *batch, const gosset__candidates *candidates, void (*meanwhile)(void *context),
                        void *context);

/** Keeps what was found, and is empty again. */
void gosset__batch_keep(gosset__batch *batch, const gosset__candidates *candidates);
/** Empty again, without. */
void gosset__batch_drop(gosset__batch *batch, const gosset__candidates *candidates);
/** The candidates of a query that were kept, in no order; they may be changed. */
gosset__best gosset__batch_rows(const gosset__batch *batch, uint32_t query);

#endif
