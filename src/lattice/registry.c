/** Every family of lattices: one line each. */
#include "lattice/lattice.h"

extern const gosset__lattice_ops gosset__lattice_zn, gosset__lattice_e8, gosset__lattice_leech;

const gosset__lattice_ops *const gosset__lattice_registry[] = {
    &gosset__lattice_zn,
    &gosset__lattice_e8,
    &gosset__lattice_leech,
    NULL,
};
