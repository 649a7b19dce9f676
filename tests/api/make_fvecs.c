/* make_fvecs FILE: 3,000 made-up vectors of 24 dimensions around 30 centres, for the examples to work on. */
#include <stdint.h>
#include <stdio.h>

static uint64_t state = 1;

/* A crude bell between -1 and 1. */
static float bell(void) {
    float sum = 0;
    for (int i = 0; i < 4; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sum += (float)(state >> 40) / (float)(1 << 24) - 0.5f;
    }
    return sum / 2;
}

int main(int argc, char **argv) {
    enum { CENTRES = 30, ROWS = 3000 };
    const uint32_t dimension = 24;
    float centres[CENTRES][24];
    FILE *file = argc == 2 ? fopen(argv[1], "wb") : NULL;
    if (!file) return 1;
    for (int c = 0; c < CENTRES; c++)
        for (uint32_t i = 0; i < dimension; i++) centres[c][i] = bell();
    for (int row = 0; row < ROWS; row++) {
        fwrite(&dimension, sizeof dimension, 1, file);
        for (uint32_t i = 0; i < dimension; i++) {
            float value = centres[row % CENTRES][i] + 0.3f * bell();
            fwrite(&value, sizeof value, 1, file);
        }
    }
    return fclose(file) != 0;
}
