/** Whether this is still the process that made something: asked before every batch, so without a system call. */
#ifndef GOSSET_INDEX_IO_PROCESS_H
#define GOSSET_INDEX_IO_PROCESS_H

#include "base/env.h"
#include <stdbool.h>

typedef struct gosset__process gosset__process;

gosset_status gosset__process_mark(gosset__process **out, const gosset__env *env);
bool gosset__process_same(const gosset__process *process);
/** GOSSET_E_STATE in a forked child: neither threads nor rings are to be shared with it. */
gosset_status gosset__process_check(const gosset__process *process);
size_t gosset__process_held(void);                                           /* bytes of a mark */
void gosset__process_free(gosset__process *process, const gosset__env *env); /* NULL is fine */

#endif
