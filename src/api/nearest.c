#include "api/nearest.h"

/* Puts `item` where the heap has a hole at `hole`: every parent is farther than its children. */
static void sift_down(gosset__neighbour *heap, uint32_t count, uint32_t hole, gosset__neighbour item) {
    for (uint32_t child; (child = 2 * hole + 1) < count; hole = child) {
        if (child + 1 < count && gosset__nearer(&heap[child], &heap[child + 1])) child++;
        if (!gosset__nearer(&item, &heap[child])) break;
        heap[hole] = heap[child];
    }
    heap[hole] = item;
}

void gosset__nearest_offer(gosset__neighbour *heap, uint32_t *count, uint32_t k, gosset__neighbour candidate) {
    if (*count == k) {
        if (gosset__nearer(&candidate, &heap[0])) sift_down(heap, k, 0, candidate);
        return;
    }
    uint32_t hole = (*count)++;
    for (; hole > 0 && gosset__nearer(&heap[(hole - 1) / 2], &candidate); hole = (hole - 1) / 2)
        heap[hole] = heap[(hole - 1) / 2];
    heap[hole] = candidate;
}

/* The heap is taken apart from the far end; any order of entries is made a heap first. */
void gosset__nearest_sort(gosset__neighbour *list, uint32_t count) {
    for (uint32_t i = count / 2; i-- > 0;) sift_down(list, count, i, list[i]);
    for (uint32_t end = count; end > 1; end--) {
        gosset__neighbour farthest = list[0];
        sift_down(list, end - 1, 0, list[end - 1]);
        list[end - 1] = farthest;
    }
}
