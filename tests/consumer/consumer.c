/* A program of somebody who has Gosset installed: finds the nearest lattice points of a few directions and back. */
#include <gosset/gosset.h>
#include <math.h>
#include <stdio.h>

int main(void) {
    gosset_lattice *lattice = NULL;
    gosset_lattice_info info = {.struct_size = sizeof info};
    float input[2 * 24], output[2 * 24];
    uint8_t codes[2 * 8];

    if (gosset_version() != ((GOSSET_VERSION_MAJOR << 16) | (GOSSET_VERSION_MINOR << 8) | GOSSET_VERSION_PATCH)) {
        fprintf(stderr, "header and library differ in version\n");
        return 1;
    }
    for (int i = 0; i < 2 * 24; i++) input[i] = (float)((i * 37 + 11) % 23 - 11);
    if (gosset_lattice_create(&lattice, "zn:24:79", NULL) != GOSSET_OK ||
        gosset_lattice_describe(lattice, &info) != GOSSET_OK || info.code_size != 8 ||
        gosset_lattice_encode(lattice, 2, input, codes) != GOSSET_OK ||
        gosset_lattice_decode(lattice, 2, codes, output) != GOSSET_OK) {
        fprintf(stderr, "%s\n", gosset_last_error());
        return 1;
    }
    for (int row = 0; row < 2; row++) {
        double inner = 0, norm = 0;
        for (int i = 0; i < 24; i++) {
            inner += (double)input[row * 24 + i] * (double)output[row * 24 + i];
            norm += (double)input[row * 24 + i] * (double)input[row * 24 + i];
        }
        printf("%s: cosine %.3f\n", info.spec, inner / sqrt(norm));
        if (inner / sqrt(norm) < 0.95) return 1;
    }
    gosset_lattice_free(lattice);
    return gosset_lattice_create(&lattice, "no such lattice", NULL) != GOSSET_E_ARGUMENT || lattice != NULL;
}
