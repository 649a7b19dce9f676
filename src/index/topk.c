#include "index/topk.h"

enum { SMALL = 16 }; /* below this many items insertion beats everything */

static inline void swap(gosset__ranked *a, gosset__ranked *b) {
    const gosset__ranked kept = *a;
    *a = *b;
    *b = kept;
}

static void insertion_sort(gosset__ranked *items, size_t count) {
    for (size_t i = 1; i < count; i++) {
        const gosset__ranked item = items[i];
        size_t at = i;
        for (; at > 0 && gosset__ranked_before(&item, &items[at - 1]); at--) items[at] = items[at - 1];
        items[at] = item;
    }
}

static void sift_down(gosset__ranked *items, size_t count, size_t hole, gosset__ranked item) {
    for (size_t child; (child = 2 * hole + 1) < count; hole = child) {
        if (child + 1 < count && gosset__ranked_before(&items[child], &items[child + 1])) child++;
        if (!gosset__ranked_before(&item, &items[child])) break;
        items[hole] = items[child];
    }
    items[hole] = item;
}

/* Heap sort: no recursion, no memory, no bad inputs; the lists are short. */
void gosset__ranked_sort(gosset__ranked *items, size_t count) {
    if (count <= SMALL) {
        insertion_sort(items, count);
        return;
    }
    for (size_t i = count / 2; i-- > 0;) sift_down(items, count, i, items[i]);
    for (size_t end = count - 1; end > 0; end--) {
        const gosset__ranked last = items[end];
        items[end] = items[0];
        sift_down(items, end, 0, last);
    }
}

/* Puts the item of order `nth` in its place, better ones before it (Hoare's FIND, median of three). */
static void select_nth(gosset__ranked *items, size_t count, size_t nth) {
    size_t low = 0, high = count - 1;
    while (high - low >= SMALL) {
        gosset__ranked *first = &items[low], *middle = &items[low + (high - low) / 2], *last = &items[high];
        if (gosset__ranked_before(middle, first)) swap(middle, first);
        if (gosset__ranked_before(last, first)) swap(last, first);
        if (gosset__ranked_before(last, middle)) swap(last, middle);
        const gosset__ranked pivot = *middle;
        size_t i = low, j = high;
        while (i <= j) {
            while (gosset__ranked_before(&items[i], &pivot)) i++;
            while (gosset__ranked_before(&pivot, &items[j])) j--;
            if (i > j) break;
            swap(&items[i++], &items[j--]); /* j stays above low: the first and last item are sentinels */
        }
        if (nth <= j)
            high = j;
        else if (nth >= i)
            low = i;
        else
            return;
    }
    insertion_sort(items + low, high - low + 1);
}

void gosset__best_start(gosset__best *best, gosset__ranked *items, size_t limit) {
    *best = (gosset__best){.items = items, .limit = limit, .bound = {.id = UINT64_MAX, .rank = UINT32_MAX}};
}

void gosset__best_push(gosset__best *best, gosset__ranked item) {
    if (best->count == best->limit) {
        sift_down(best->items, best->count, 0, item);
    } else {
        best->items[best->count++] = item;
        if (best->count < best->limit) return;
        for (size_t i = best->count / 2; i-- > 0;) sift_down(best->items, best->count, i, best->items[i]);
    }
    best->bound = best->items[0];
}

void gosset__best_cut(gosset__best *best) {
    if (best->count < best->limit || best->limit <= GOSSET__BEST_HEAP) return;
    select_nth(best->items, best->count, best->limit - 1);
    best->count = best->limit;
    best->bound = best->items[best->limit - 1];
}
