#include "base/status.h"
#include "train/loss.h"

#include <gosset/model.h>
#include <string.h>

extern const gosset__loss_ops gosset__loss_listwise, gosset__loss_rank;

const gosset__loss_ops *const gosset__loss_registry[] = {
    &gosset__loss_listwise,
    &gosset__loss_rank,
    NULL,
};

const gosset__loss_ops *gosset__loss_find(const char *name) {
    if (!name) return gosset__loss_registry[0];
    for (size_t i = 0; gosset__loss_registry[i]; i++)
        if (strcmp(gosset__loss_registry[i]->name, name) == 0) return gosset__loss_registry[i];
    return NULL;
}

const char *gosset_loss_name(uint32_t index) {
    for (uint32_t i = 0; gosset__loss_registry[i]; i++)
        if (i == index) return gosset__loss_registry[i]->name;
    return NULL;
}
