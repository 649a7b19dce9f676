/** What the device does when nothing but reads is asked of it: the yardstick of a search that reads. */
#ifndef GOSSET_CLI_DEVICE_H
#define GOSSET_CLI_DEVICE_H

#include <gosset/common.h>

enum { DEVICE_THREADS = 2, DEVICE_DEPTH = 64 };

typedef struct device device; /* the shards of an index, opened for reading pages */

/** `io` as for gosset_index_open. */
GOSSET_CHECK_RESULT gosset_status device_open(device **out, const char *directory, const char *io);
void device_close(device *self); /* NULL is fine */

/** Random pages a second, DEVICE_DEPTH in flight on each of DEVICE_THREADS threads, for about so long. */
GOSSET_CHECK_RESULT gosset_status device_rate(device *self, double seconds, double *reads_per_second);

typedef struct device_times {
    double p50_us, p99_us;
} device_times;

/** How long batches of random pages take: from submitting one to the last of its pages, with nothing else in flight,
 * or, with a `rate` above 0, from the time each arrives, so many a second at random. On one thread. 1 to 4,096 pages;
 * of batches that arrive as many are in flight as have that many pages, at most 16. GOSSET_E_CANCELLED: interrupted. */
GOSSET_CHECK_RESULT gosset_status device_batches(device *self, uint32_t pages, double rate, device_times *out);

#endif
