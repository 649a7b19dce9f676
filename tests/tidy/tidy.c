/**
 * tidy SOURCE_TREE: the house rules that a compiler does not check.
 *
 *   1. The include law: arrows between layers point down, train and index do not see each other, and each outside
 *      library has one door. The law is data (below), so that changing it is a visible diff.
 *   2. A line has at most 120 columns and no tabs; a function at most 70 lines; a file at most 700.
 *   3. Words that only some folders may use: malloc, printf, exit, abort, rand, getenv.
 *   4. Every .c file is named in a CMakeLists.txt, so nothing rots unbuilt.
 */
#define _XOPEN_SOURCE 700
#include <ctype.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 120, MAX_FUNCTION_LINES = 70, MAX_FILE_LINES = 700 };

/* Which quoted and <gosset/...> includes a folder may use. First match by path prefix wins. */
static const struct {
    const char *folder, *may_include;
} law[] = {
    {"include/gosset/", "gosset/"},
    {"src/base/", "gosset/common.h base/"},
    {"src/kernel/", "gosset/common.h base/ kernel/"},
    {"src/lattice/", "gosset/common.h gosset/lattice.h base/ kernel/ lattice/"},
    {"src/train/", "gosset/common.h gosset/lattice.h gosset/model.h base/ kernel/ lattice/ train/"},
    {"src/index/", "gosset/common.h gosset/index.h base/ kernel/ lattice/ index/"},
    {"src/api/", "gosset/ base/ kernel/ lattice/ train/ index/ api/"},
    {"src/cli/", "gosset/ base/ kernel/ lattice/ train/ index/ api/ cli/ datasets/"},
    {"datasets/", "gosset/ datasets/"},
    {"bench/", "gosset/ datasets/ bench/"},
    {"tests/base/", "gosset/common.h base/ support/"},
    {"tests/kernel/", "gosset/common.h base/ kernel/ support/"},
    {"tests/lattice/", "gosset/common.h gosset/lattice.h base/ kernel/ lattice/ support/"},
    {"tests/train/", "gosset/common.h gosset/lattice.h gosset/model.h base/ kernel/ lattice/ train/ support/"},
    {"tests/index/", "gosset/common.h gosset/index.h gosset/lattice.h base/ kernel/ lattice/ index/ support/"},
};

/* Outside libraries and the only places that may include them. */
static const struct {
    const char *header, *doors;
} outside[] = {
    {"xxhash.h", "src/base/hash.c tests/index/second_reader.c"},
    {"liburing.h", "src/index/io/io_uring.c"},
    {"cblas.h", "src/train/ src/cli/cmd_codes.c tests/train/ bench/"},
    {"jansson.h", "src/cli/ tests/cli/ bench/"},
    {"faiss/", "bench/"},
    {"check.h", "tests/"},
    {"omp.h", "bench/"},
};

/* Calls nobody in src/ may make, except in the folders named. */
static const struct {
    const char *name, *except;
} banned[] = {
    {"malloc", "src/base/ src/cli/"},
    {"calloc", "src/base/ src/cli/"},
    {"realloc", "src/base/ src/cli/"},
    {"aligned_alloc", "src/base/ src/cli/"},
    {"strdup", "src/base/ src/cli/"},
    {"free", "src/base/ src/cli/"},
    {"printf", "src/cli/"},
    {"fprintf", "src/cli/"},
    {"puts", "src/cli/"},
    {"perror", "src/cli/"},
    {"exit", "src/cli/"},
    {"_exit", "src/cli/"},
    {"abort", ""},
    {"rand", ""},
    {"random", ""},
    {"srand", ""},
    {"getenv", "src/cli/ src/kernel/dispatch.c"},
    {"system", ""},
    {"sprintf", ""},
    {"gets", ""},
};

static size_t root_length;
static int complaints;
static int files;
static char *listed; /* all CMakeLists.txt and .cmake files of the tree, one after the other */

static void complain(const char *path, int line, const char *rule, const char *detail) {
    fprintf(stderr, "%s:%d: %s: %s\n", path, line, rule, detail);
    complaints++;
}

static int ends_with(const char *text, const char *end) {
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

/* Is `name` matched by one of the space-separated prefixes? */
static int allowed(const char *prefixes, const char *name) {
    while (*prefixes) {
        size_t length = strcspn(prefixes, " ");
        if (strncmp(prefixes, name, length) == 0) return 1;
        prefixes += length;
        prefixes += strspn(prefixes, " ");
    }
    return 0;
}

static char *slurp(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    if (text) text[fread(text, 1, (size_t)size, file)] = 0;
    fclose(file);
    return text;
}

/* Blanks comments, strings and characters, so that rules look at code only. Newlines stay. */
static void blank(char *text) {
    enum { CODE, LINE, BLOCK, STRING, CHARACTER } state = CODE;
    for (char *c = text; *c; c++) {
        if (state == CODE) {
            if (c[0] == '/' && c[1] == '/')
                state = LINE;
            else if (c[0] == '/' && c[1] == '*')
                state = BLOCK, *c++ = ' ';
            else if (*c == '"') {
                state = STRING;
                continue;
            } else if (*c == '\'') {
                state = CHARACTER;
                continue;
            } else
                continue;
        } else if (state == LINE && *c == '\n') {
            state = CODE;
        } else if (state == BLOCK && c[0] == '*' && c[1] == '/') {
            *c++ = ' ';
            state = CODE;
        } else if (state == STRING || state == CHARACTER) {
            if (*c == (state == STRING ? '"' : '\'')) {
                state = CODE;
                continue;
            }
            if (*c == '\\' && c[1] && c[1] != '\n') *c++ = ' ';
        }
        if (*c != '\n') *c = ' ';
    }
}

static void check_include(const char *path, int number, const char *line) {
    char name[256];
    char open;
    if (sscanf(line, " # include %c%255[^\">]", &open, name) != 2 || (open != '"' && open != '<')) return;
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        size_t length = strlen(outside[i].header);
        if (strncmp(name, outside[i].header, length) == 0 && !allowed(outside[i].doors, path))
            complain(path, number, "an outside library has one door", name);
    }
    if (open == '<' && strncmp(name, "gosset/", 7) != 0) return;
    if (ends_with(path, ".cpp")) return;
    for (size_t i = 0; i < sizeof law / sizeof *law; i++) {
        if (strncmp(path, law[i].folder, strlen(law[i].folder)) != 0) continue;
        int own = strchr(name, '/') == NULL && strncmp(path, "src/", 4) != 0; /* a neighbour, outside src/ */
        int faiss = strncmp(name, "faiss/", 6) == 0;
        if (!own && !faiss && !allowed(law[i].may_include, name)) {
            char detail[640];
            snprintf(detail, sizeof detail, "%s (%s may include: %s)", name, law[i].folder, law[i].may_include);
            complain(path, number, "include law", detail);
        }
        return;
    }
}

static void check_calls(const char *path, int number, const char *line) {
    if (strncmp(path, "src/", 4) != 0) return;
    for (size_t i = 0; i < sizeof banned / sizeof *banned; i++) {
        size_t length = strlen(banned[i].name);
        for (const char *at = line; (at = strstr(at, banned[i].name)) != NULL; at += length) {
            char before = at > line ? at[-1] : ' ';
            const char *after = at + length + strspn(at + length, " ");
            int member = before == '.' || (before == '>' && at - line >= 2 && at[-2] == '-');
            if (isalnum((unsigned char)before) || before == '_' || member || *after != '(') continue;
            if (!allowed(banned[i].except, path)) complain(path, number, "call not allowed here", banned[i].name);
        }
    }
}

/* Columns are characters: bytes that continue a UTF-8 sequence do not count. */
static int columns(const char *line) {
    int count = 0;
    for (; *line; line++) count += ((unsigned char)*line & 0xC0) != 0x80;
    return count;
}

static void check_text(const char *path, char *text) {
    int number = 0;
    char *next;
    for (char *line = text; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        number++;
        if (columns(line) > MAX_COLUMNS) complain(path, number, "longer than 120 columns", line);
        if (strchr(line, '\t')) complain(path, number, "tab", line);
        check_include(path, number, line);
    }
    if (number > MAX_FILE_LINES) complain(path, number, "a file of more than 700 lines: split it by room", "");
}

/* Functions start with a line at column 0 that ends in '{' and end with a line that is exactly "}". */
static void check_code(const char *path, char *text) {
    int number = 0, start = 0;
    char *next, head[128] = "";
    for (char *line = text; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        number++;
        check_calls(path, number, line);
        if (isalpha((unsigned char)*line) && !start) snprintf(head, sizeof head, "%.100s", line);
        size_t length = strlen(line);
        while (length && line[length - 1] == ' ') length--;
        int opens = length && line[length - 1] == '{' && (*line != ' ' || head[0]);
        if (!start && opens && strncmp(line, "extern", 6) != 0) start = number;
        if (start && *line == '}') {
            if (length == 1 && number - start + 1 > MAX_FUNCTION_LINES) {
                char detail[200];
                snprintf(detail, sizeof detail, "%d lines: %s", number - start + 1, head);
                complain(path, start, "a function of more than 70 lines", detail);
            }
            start = 0;
            head[0] = 0;
        }
    }
}

static void check_listed(const char *path) {
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    size_t length = strlen(name);
    for (const char *at = listed; (at = strstr(at, name)) != NULL; at += length) {
        char before = at > listed ? at[-1] : ' ', after = at[length];
        if (!isalnum((unsigned char)before) && before != '_' && !isalnum((unsigned char)after)) return;
    }
    complain(path, 1, "named in no CMakeLists.txt or .cmake file", name);
}

static int skipped(const char *path) {
    return strncmp(path, "build", 5) == 0 || path[0] == '.' || strncmp(path, "demo", 4) == 0;
}

static int gather_lists(const char *full, const struct stat *info, int kind, struct FTW *walk) {
    (void)info, (void)walk;
    const char *path = full + root_length;
    if (kind != FTW_F || skipped(path) || (!ends_with(path, "CMakeLists.txt") && !ends_with(path, ".cmake"))) return 0;
    char *text = slurp(full);
    if (!text) return 1;
    size_t old = listed ? strlen(listed) : 0;
    char *both = realloc(listed, old + strlen(text) + 1);
    if (!both) return 1;
    strcpy(both + old, text);
    listed = both;
    free(text);
    return 0;
}

static int check_file(const char *full, const struct stat *info, int kind, struct FTW *walk) {
    (void)info, (void)walk;
    const char *path = full + root_length;
    if (kind != FTW_F || skipped(path)) return 0;
    int source = ends_with(path, ".c") || ends_with(path, ".cpp");
    if (!source && !ends_with(path, ".h")) return 0;
    char *text = slurp(full);
    if (!text) {
        complain(path, 1, "cannot be read", full);
        return 0;
    }
    char *code = strdup(text);
    if (!code) return 1;
    blank(code);
    check_text(path, text);
    check_code(path, code);
    if (source && strncmp(path, "examples/", 9) != 0 && strncmp(path, "tests/consumer/", 15) != 0) check_listed(path);
    free(text);
    free(code);
    files++;
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: tidy SOURCE_TREE\n");
        return 2;
    }
    root_length = strlen(argv[1]) + 1;
    if (nftw(argv[1], gather_lists, 16, FTW_PHYS) || !listed || nftw(argv[1], check_file, 16, FTW_PHYS)) {
        fprintf(stderr, "tidy: cannot walk %s\n", argv[1]);
        return 2;
    }
    printf("%d files, %d complaints\n", files, complaints);
    free(listed);
    return complaints || files == 0;
}
