/** A searcher from inside: search.c moves queries, workspace.c gives them room, survey.c looks without answering. */
#ifndef GOSSET_INDEX_SEARCH_INTERNAL_H
#define GOSSET_INDEX_SEARCH_INTERNAL_H

#include "index/batch.h"
#include "index/candidates.h"
#include "index/codes.h"
#include "index/query.h"
#include "index/search.h"

enum { GOSSET__SEARCH_MAX_K = 1024 };
#define GOSSET__NO_PAGE UINT64_MAX

/** What there is room for. */
typedef struct gosset__search_room {
    uint32_t in_flight, probe, rerank, k;
} gosset__search_room;

/** Queries that were planned together and wait for their turn to read. */
typedef struct gosset__search_planned {
    gosset__search_request *requests; /* room */
    uint32_t room, count, next;
} gosset__search_planned;

/** The query that is being planned. */
typedef struct gosset__planning {
    gosset__query *query; /* NULL: none */
    gosset__best rows;    /* candidates of the bands so far */
    uint32_t band;        /* to be scanned next */
    bool early, looks;    /* it asks for pages, and pages of others are scored, after each band */
    gosset_type vector_type;
    uint32_t here_count;
    gosset__io_done here[GOSSET__QUERY_EARLY]; /* its pages that came in */
} gosset__planning;

struct gosset__search {
    gosset__env env;
    const gosset__store *store;
    gosset__io *io; /* NULL while the store has no pages */
    int event;      /* eventfd; -1 = nobody asked for one */
    gosset__search_stats *stats;
    void *workspace;
    size_t workspace_size;
    gosset__search_room room;
    uint32_t in_flight; /* queries that may be on their way; room.in_flight at most */
    gosset__candidates candidates;
    gosset__distance distance; /* of no query: what a query's begins with */
    gosset__query *queries;    /* room.in_flight */
    gosset__planning planning;
    uint32_t reading_count, done_count;
    bool look_first;  /* pages asked for early may be here: they are scored before others are waited for */
    uint64_t started; /* queries so far */
    gosset__io_read *reads;
    gosset__io_done *done;
    uint32_t
        *free_buffers; /* numbers of page buffers no read uses; as reads, done and buffer_page: io->depth entries */
    uint32_t free_buffer_count;
    uint32_t page_depth;    /* page buffers; those of code chunks follow them */
    gosset__code_scan scan; /* codes on disk */
    gosset__cache cache;    /* pages kept, if any */
    uint64_t cache_wanted;  /* bytes asked for */
    uint64_t *buffer_page;  /* the page of the index that is read into a buffer, or GOSSET__NO_PAGE */
    gosset__ranked *order;  /* probe: cells by number, with their place in the probe order */
    gosset__batch batch;
    gosset__search_planned planned;
};

/** GOSSET_E_ARGUMENT or GOSSET_E_DIMENSION: nobody could answer it. */
gosset_status gosset__search_check(const gosset__search *search, const gosset__search_request *request);
/** Candidates wanted for it. */
uint32_t gosset__search_rerank(const gosset__search *search, const gosset__search_request *request);
/** A query for a request; its state is that of a free one until it is planned. There is room for one, and none
 * is being planned. */
gosset__query *gosset__search_new_query(gosset__search *search, const gosset__search_request *request);
/** Candidate rows, which are used up, become pages it reads. */
void gosset__search_begin(gosset__search *search, gosset__query *query, const gosset__search_request *request,
                          gosset__best *rows);
/** Asks for `count` pages of a query from page `first` of it on, into the buffers it was given. */
gosset_status gosset__search_ask(gosset__search *search, const gosset__query *query, uint32_t first, uint32_t count);

/** Goes on with the query that is being planned, if there is one; `stands_back`: until another one is done. */
void gosset__search_go_on(gosset__search *search, bool stands_back);
/** Starts what there are buffers for and takes in what is here. */
void gosset__search_look(gosset__search *search);
/** What became of a read. */
void gosset__search_take(gosset__search *search, const gosset__io_done *done);

/* early.c: pages that are asked for before all codes are compared. */
bool gosset__search_goes_early(const gosset__search *search);
/** After a band was scanned, with what that and those before it have. */
void gosset__search_ask_early(gosset__search *search, gosset__query *query, uint32_t band, const gosset__best *rows);
/** The query is planned: of pages asked for early those that are not wanted are forgotten. */
void gosset__search_end_early(gosset__search *search, const gosset__query *query);

/** `codes`: so many are compared. */
void gosset__search_count_plan(gosset__search *search, uint64_t codes);

/** Candidate rows, which are used up, become pages to read: those that are not kept. */
void gosset__search_plan(gosset__search *search, gosset__query *query, gosset__best *rows, const void *vector,
                         gosset_type type);
/** A query that has read and scored all it wants, or failed with nothing in flight, is done. */
void gosset__search_settle(gosset__search *search, gosset__query *query);

/* search_codes.c: the stage before, when codes are on disk. */
void gosset__search_begin_codes(gosset__search *search, gosset__query *query, const gosset__search_request *request,
                                uint32_t rerank);
/** Asks for as many chunks as there are buffers for. */
void gosset__search_submit_codes(gosset__search *search);
bool gosset__search_wants_codes(const gosset__search *search);
void gosset__search_take_codes(gosset__search *search, const gosset__io_done *done);
/** Goes on to the pages once the last code is in. */
void gosset__search_end_codes(gosset__search *search, gosset__query *query);

/** No buffer is in use any more. */
void gosset__search_free_buffers(gosset__search *search);
/** Opens its ring anew, with the event of now. Nothing may be in flight. */
gosset_status gosset__search_open_io(gosset__search *search, uint32_t depth);

/** The cells to scan: as the effort says, or more when they hold fewer than `least` rows. Reserves room. */
gosset_status gosset__search_probe(gosset__search *search, const float *latent, const gosset__effort *effort,
                                   uint64_t least, uint32_t rerank, uint32_t k, bool in_bands);

static inline uint32_t gosset__search_clamp(uint32_t value, uint64_t low, uint64_t high) {
    if (value > high) return (uint32_t)high;
    return value < low ? (uint32_t)low : value;
}

#endif
