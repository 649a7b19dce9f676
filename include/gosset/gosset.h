/** @file gosset/gosset.h Everything: the map, the lattices, the index. */
#ifndef GOSSET_GOSSET_H
#define GOSSET_GOSSET_H
#include <gosset/common.h>
#include <gosset/index.h>
#include <gosset/lattice.h>
#include <gosset/model.h>
#endif /* GOSSET_GOSSET_H */
