#include "base/status.h"
#include "train/loss.h"

#include <gosset/model.h>
#include <string.h>

extern const gosset__loss_ops gosset__loss_listwise, gosset__loss_rank;
extern const gosset__spread_ops gosset__spread_koleo, gosset__spread_potential;

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

const gosset__spread_ops *const gosset__spread_registry[] = {
    &gosset__spread_koleo,
    &gosset__spread_potential,
    NULL,
};

const gosset__spread_ops *gosset__spread_find(const char *name) {
    if (!name) return gosset__spread_registry[0];
    for (size_t i = 0; gosset__spread_registry[i]; i++)
        if (strcmp(gosset__spread_registry[i]->name, name) == 0) return gosset__spread_registry[i];
    return NULL;
}

size_t gosset__spread_scratch_size(size_t anchors) {
    return anchors * anchors + 2 * anchors;
}

static const gosset__optimizer_ops *const optimizers[] = {&gosset__optimizer_adamw, &gosset__optimizer_sgd, NULL};

const gosset__optimizer_ops *gosset__optimizer_find(const char *name) {
    for (size_t i = 0; optimizers[i]; i++)
        if (strcmp(optimizers[i]->name, name) == 0) return optimizers[i];
    return NULL;
}

const char *gosset_loss_name(uint32_t index) {
    for (uint32_t i = 0; gosset__loss_registry[i]; i++)
        if (i == index) return gosset__loss_registry[i]->name;
    return NULL;
}
