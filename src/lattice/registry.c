/** Every family of lattices: one line each. */
#include "lattice/lattice.h"

extern const gosset__lattice_ops gosset__lattice_zn;

const gosset__lattice_ops *const gosset__lattice_registry[] = {
    &gosset__lattice_zn,
    NULL,
};
