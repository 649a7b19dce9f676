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
/** Median time from submitting a batch of random pages to the last of them, on one thread, nothing else in flight. */
GOSSET_CHECK_RESULT gosset_status device_batch(device *self, uint32_t pages, double *p50_us);

#endif
