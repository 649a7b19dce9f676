/*
 * Which nibbles make the windows of a word, written once for all vector levels. A window is two nibbles of a stream of
 * bits: the newer one ends where the window ends, the older one lies in front of it, perhaps in the word before.
 *
 * A level that includes this defines, for every byte of a register,
 *     nibble(x, s)          (x >> s) & 15,
 *     follow(last, now, n)  the n high bits of `last` below the low bits of `now`,
 * and gives these macros ADD(class, newer, older, at): the windows of places at, at + 1, at + 2, at + 3 of the word.
 */
#ifndef GOSSET_KERNEL_WINDOW_WORDS_H
#define GOSSET_KERNEL_WINDOW_WORDS_H

#define NIBBLE_WORD(ADD, last, now)                                                                                    \
    ADD(0, nibble(now, 0), nibble(last, 4), 0);                                                                        \
    ADD(0, nibble(now, 4), nibble(now, 0), 4)

/* across: follow(last, now, 2) */
#define CRUMB_WORD(ADD, last, now, across)                                                                             \
    ADD(1, nibble(across, 0), nibble(last, 2), 0);                                                                     \
    ADD(1, nibble(now, 0), nibble(last, 4), 4);                                                                        \
    ADD(1, nibble(now, 2), nibble(across, 0), 8);                                                                      \
    ADD(1, nibble(now, 4), nibble(now, 0), 12)

/* across: follow(last, now, 3) */
#define BIT_WORD(ADD, last, now, across)                                                                               \
    ADD(2, nibble(across, 0), nibble(last, 1), 0);                                                                     \
    ADD(2, nibble(across, 1), nibble(last, 2), 4);                                                                     \
    ADD(2, nibble(across, 2), nibble(last, 3), 8);                                                                     \
    ADD(2, nibble(now, 0), nibble(last, 4), 12);                                                                       \
    ADD(2, nibble(now, 1), nibble(across, 0), 16);                                                                     \
    ADD(2, nibble(now, 2), nibble(across, 1), 20);                                                                     \
    ADD(2, nibble(now, 3), nibble(across, 2), 24);                                                                     \
    ADD(2, nibble(now, 4), nibble(now, 0), 28)

#endif
