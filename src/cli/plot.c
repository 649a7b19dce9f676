#include "cli/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char gnuplot[] = "gnuplot";

static int spawn(pid_t *child, int input, int output, char *const *arguments) {
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0) return -1;
    int failed = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO) ||
                 posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    failed = failed || posix_spawnp(child, arguments[0], &actions, NULL, arguments, environ) != 0;
    posix_spawn_file_actions_destroy(&actions);
    return failed ? -1 : 0;
}

/* 0 when the child ended well. */
static int wait_for(pid_t child) {
    int state;
    while (waitpid(child, &state, 0) < 0) {
        if (errno != EINTR) return -1;
    }
    return WIFEXITED(state) && WEXITSTATUS(state) == 0 ? 0 : -1;
}

int plot_available(void) {
    char version[] = "--version";
    char *const arguments[] = {gnuplot, version, NULL};
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    pid_t child;
    if (null < 0) return -1;
    const int failed = spawn(&child, null, null, arguments);
    close(null);
    return failed ? -1 : wait_for(child);
}

/* In gnuplot's single quotes only a single quote is special. */
static void write_quoted(FILE *script, const char *text) {
    fputc('\'', script);
    for (; *text; text++) {
        if (*text == '\'') fputc('\'', script);
        if ((unsigned char)*text >= ' ') fputc(*text, script);
    }
    fputc('\'', script);
}

static void write_panel(FILE *script, const char *y_label, int column, size_t curves, const uint32_t *threads) {
    fprintf(script, "set ylabel '%s'\nplot ", y_label);
    for (size_t i = 0; i < curves; i++)
        fprintf(script, "%s$curve%zu using 1:%d with linespoints title '%u thread%s'", i > 0 ? ", " : "", i, column,
                threads[i], threads[i] == 1 ? "" : "s");
    fputc('\n', script);
}

/* Fastest over slowest: within a decade a logarithmic axis would have no labels. */
static double spread(const plot_point *points, size_t count) {
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < count; i++) {
        low = fmin(low, points[i].queries_per_second);
        high = fmax(high, points[i].queries_per_second);
    }
    return high / low;
}

static void write_script(FILE *script, const char *title, uint32_t k, const plot_point *points, size_t count) {
    enum { CURVES_MAX = 64 };
    uint32_t threads[CURVES_MAX];
    size_t curves = 0;
    for (size_t i = 0; i < count && curves < CURVES_MAX; curves++) {
        threads[curves] = points[i].threads;
        fprintf(script, "$curve%zu << END\n", curves);
        for (; i < count && points[i].threads == threads[curves]; i++)
            fprintf(script, "%.6f %.3f %.3f\n", points[i].recall, points[i].queries_per_second, points[i].pages);
        fputs("END\n", script);
    }
    fputs("set terminal svg size 1000,460 noenhanced background '#ffffff' font 'sans-serif,13'\n"
          "set linetype 1 lc rgb '#1b6ca8' pt 7 ps 0.6 lw 2\nset linetype 2 lc rgb '#d1602b' pt 5 ps 0.6 lw 2\n"
          "set linetype 3 lc rgb '#3c8d53' pt 9 ps 0.7 lw 2\nset linetype 4 lc rgb '#7a4fa3' pt 11 ps 0.7 lw 2\n"
          "set grid lc rgb '#dddddd'\nset border 3\nset tics nomirror\nset multiplot layout 1,2 title ",
          script);
    write_quoted(script, title);
    fprintf(script, "\nset xlabel 'recall@%u'\nset key top right\n%s\n", k,
            spread(points, count) > 10 ? "set logscale y" : "set yrange [0:*]");
    write_panel(script, "queries per second", 2, curves, threads);
    /* Pages do not depend on threads: one curve says it all. */
    fputs("unset logscale y\nset yrange [0:*]\nset key off\n", script);
    write_panel(script, "pages read per query (4 KiB)", 3, curves > 0 ? 1 : 0, threads);
    fputs("unset multiplot\n", script);
}

static const char *run_script(const char *temporary, const char *script, size_t size) {
    char *const arguments[] = {gnuplot, NULL};
    int ends[2];
    pid_t child;
    if (pipe2(ends, O_CLOEXEC) != 0) return strerror(errno);
    const int output = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    const char *failure = output < 0 ? strerror(errno) : NULL;
    if (!failure && spawn(&child, ends[0], output, arguments) != 0)
        failure = "gnuplot was not found (Debian: apt-get install gnuplot-nox)";
    close(ends[0]);
    if (output >= 0) close(output);
    if (failure) {
        close(ends[1]);
        return failure;
    }
    void (*before)(int) = signal(SIGPIPE, SIG_IGN); /* gnuplot may die early; its exit code will tell */
    int written = 1;
    for (size_t done = 0; done < size && written;) {
        const ssize_t got = write(ends[1], script + done, size - done);
        if (got > 0)
            done += (size_t)got;
        else if (got == 0 || errno != EINTR)
            written = 0;
    }
    close(ends[1]);
    signal(SIGPIPE, before);
    return wait_for(child) == 0 && written ? NULL : "gnuplot failed";
}

const char *plot_write(const char *path, const char *title, uint32_t k, const plot_point *points, size_t count) {
    char *script = NULL, temporary[4096];
    size_t size = 0;
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary) return "the name is too long";
    FILE *stream = open_memstream(&script, &size);
    if (!stream) return strerror(errno);
    write_script(stream, title, k, points, count);
    const char *failure = fclose(stream) == 0 ? run_script(temporary, script, size) : "no memory for the script";
    if (!failure && rename(temporary, path) != 0) failure = strerror(errno);
    if (failure) unlink(temporary);
    free(script);
    return failure;
}
