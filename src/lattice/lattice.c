/** The public functions of gosset/lattice.h: everything a caller can get wrong is caught here. */
#include "lattice/lattice.h"

#include "base/status.h"

#include <math.h>
#include <string.h>

const char *gosset_lattice_name(uint32_t index) {
    for (uint32_t i = 0; gosset__lattice_registry[i] != NULL; i++)
        if (i == index) return gosset__lattice_registry[i]->name;
    return NULL;
}

/** ":123" at *text; moves behind it. Returns 0 if that is not there or too large to be meant. */
static int parse_number(const char **text, uint32_t *number) {
    const char *p = *text;
    if (*p++ != ':') return 0;
    if (*p < '1' || *p > '9') return 0;
    for (*number = 0; *p >= '0' && *p <= '9'; p++) {
        if (*number > 1000000) return 0;
        *number = 10 * *number + (uint32_t)(*p - '0');
    }
    *text = p;
    return 1;
}

static gosset_status parse_spec(gosset_lattice *self, const char *spec) {
    gosset_status status = GOSSET_OK;
    const size_t length = strnlen(spec, sizeof self->spec);
    GOSSET_REQUIRE(length < sizeof self->spec, GOSSET_E_ARGUMENT,
                   "lattice %.16s...: spec: expected fewer than %zu characters", spec, sizeof self->spec);
    memcpy(self->spec, spec, length + 1);
    const size_t family = strcspn(spec, ":");
    for (uint32_t i = 0; gosset__lattice_registry[i] != NULL && self->ops == NULL; i++) {
        const char *name = gosset__lattice_registry[i]->name;
        if (strlen(name) == family && memcmp(name, spec, family) == 0) self->ops = gosset__lattice_registry[i];
    }
    GOSSET_REQUIRE(self->ops != NULL, GOSSET_E_ARGUMENT, "lattice %s: family: expected a registered name such as %s",
                   self->spec, gosset__lattice_registry[0]->name);
    const char *rest = spec + family;
    GOSSET_REQUIRE(parse_number(&rest, &self->dimension) && parse_number(&rest, &self->norm) &&
                       (*rest == '\0' || parse_number(&rest, &self->limit)) && *rest == '\0',
                   GOSSET_E_ARGUMENT, "lattice %s: spec: expected family:dimension:norm[:limit]", self->spec);
    GOSSET_REQUIRE(self->dimension <= GOSSET__LATTICE_MAX_DIMENSION, GOSSET_E_ARGUMENT,
                   "lattice %s: dimension: expected 1..%d, found %u", self->spec, GOSSET__LATTICE_MAX_DIMENSION,
                   self->dimension);
out:
    return status;
}

gosset_status gosset_lattice_create(gosset_lattice **out, const char *spec, const gosset_env *env) {
    gosset_status status = GOSSET_OK;
    gosset_lattice *self = NULL;
    gosset__env checked;
    GOSSET_REQUIRE(out != NULL, GOSSET_E_ARGUMENT, "lattice: out: expected a pointer, found NULL");
    *out = NULL;
    GOSSET_REQUIRE(spec != NULL, GOSSET_E_ARGUMENT, "lattice: spec: expected text, found NULL");
    GOSSET_TRY(gosset__env_read(&checked, env));
    self = gosset__alloc_zero(&checked, sizeof *self);
    if (self == NULL) return gosset__no_memory("a lattice", sizeof *self);
    self->env = checked;
    self->held = sizeof *self;
    GOSSET_TRY(parse_spec(self, spec));
    GOSSET_TRY(self->ops->create(self));
    self->scale = (float)(1 / sqrt(self->norm));
    gosset__wide last = self->point_count;
    const gosset__wide one = gosset__wide_make(1);
    gosset__wide_sub(&last, &one);
    self->code_size = (gosset__wide_bits(&last) + 7) / 8;
    if (self->code_size == 0) self->code_size = 1;
    *out = self;
    self = NULL;
out:
    gosset_lattice_free(self);
    return status;
}

void gosset_lattice_free(gosset_lattice *lattice) {
    if (lattice == NULL) return;
    const gosset__env env = lattice->env;
    if (lattice->ops != NULL) lattice->ops->destroy(lattice);
    gosset__free(&env, lattice);
}

gosset_status gosset_lattice_describe(const gosset_lattice *lattice, gosset_lattice_info *info) {
    gosset_status status = GOSSET_OK;
    GOSSET_REQUIRE(lattice != NULL && info != NULL, GOSSET_E_ARGUMENT, "lattice: describe: found NULL");
    gosset_lattice_info full = {
        .struct_size = sizeof full,
        .spec = lattice->spec,
        .dimension = lattice->dimension,
        .norm = lattice->norm,
        .code_size = lattice->code_size,
        .bits = gosset__wide_log2(&lattice->point_count),
    };
    _Static_assert(sizeof full.point_count >= GOSSET__WIDE_DIGITS, "every count fits");
    gosset__wide_print(&lattice->point_count, full.point_count);
    GOSSET_TRY(gosset__info_write(info, &full, sizeof full, "gosset_lattice_info"));
out:
    return status;
}

gosset_status gosset_lattice_encode(const gosset_lattice *lattice, size_t count, const float *vectors, uint8_t *codes) {
    gosset_status status = GOSSET_OK;
    int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
    gosset__wide rank;
    GOSSET_REQUIRE(lattice != NULL && (count == 0 || (vectors != NULL && codes != NULL)), GOSSET_E_ARGUMENT,
                   "lattice: encode: found NULL");
    for (size_t row = 0; row < count; row++)
        for (uint32_t i = 0; i < lattice->dimension; i++)
            GOSSET_REQUIRE(isfinite(vectors[row * lattice->dimension + i]), GOSSET_E_ARGUMENT,
                           "lattice %s: row %zu, coordinate %u: expected a finite number, found %f", lattice->spec, row,
                           i, (double)vectors[row * lattice->dimension + i]);
    for (size_t row = 0; row < count; row++) {
        lattice->ops->nearest(lattice, vectors + row * lattice->dimension, point);
        lattice->ops->rank(lattice, point, &rank);
        gosset__wide_store(&rank, codes + row * lattice->code_size, lattice->code_size);
    }
out:
    return status;
}

gosset_status gosset_lattice_decode(const gosset_lattice *lattice, size_t count, const uint8_t *codes, float *vectors) {
    gosset_status status = GOSSET_OK;
    int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
    gosset__wide rank;
    GOSSET_REQUIRE(lattice != NULL && (count == 0 || (vectors != NULL && codes != NULL)), GOSSET_E_ARGUMENT,
                   "lattice: decode: found NULL");
    for (size_t row = 0; row < count; row++) {
        gosset__wide_load(&rank, codes + row * lattice->code_size, lattice->code_size);
        GOSSET_REQUIRE(gosset__wide_compare(&rank, &lattice->point_count) < 0, GOSSET_E_CORRUPT,
                       "lattice %s: code %zu: expected a rank below the number of points", lattice->spec, row);
        lattice->ops->unrank(lattice, &rank, point);
        for (uint32_t i = 0; i < lattice->dimension; i++)
            vectors[row * lattice->dimension + i] = (float)point[i] * lattice->scale;
    }
out:
    return status;
}
