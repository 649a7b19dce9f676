#include "cli/progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_interrupt(int number) {
    (void)number;
    stop = 1;
}

void interrupt_install(void) {
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    sigaction(SIGINT, &action, NULL);
}

int interrupted(void) {
    return stop;
}

void progress_start(cli_progress *self, int quiet) {
    memset(self, 0, sizeof *self);
    self->draw = !quiet && isatty(STDERR_FILENO);
}

void progress_end(cli_progress *self) {
    if (self->drawn) fputc('\n', stderr);
    self->drawn = 0;
}

static void draw_bar(double share) {
    enum { WIDTH = 30 };
    const int full = (int)(share * WIDTH + 0.5);
    fputs(" [", stderr);
    for (int i = 0; i < WIDTH; i++) fputc(i < full ? '=' : ' ', stderr);
    fprintf(stderr, "] %3.0f%%", share * 100);
}

static void draw_time(double seconds) {
    if (seconds >= 3600)
        fprintf(stderr, "  %.0f h %02.0f min left", seconds / 3600, (double)((int)seconds / 60 % 60));
    else if (seconds >= 60)
        fprintf(stderr, "  %d min %02d s left", (int)seconds / 60, (int)seconds % 60);
    else if (seconds >= 1)
        fprintf(stderr, "  %.0f s left", seconds);
}

int progress_report(const gosset_progress *report, void *context) {
    cli_progress *self = context;
    if (!self->draw) return interrupted();
    if (self->drawn && self->phase && strcmp(self->phase, report->phase) != 0) progress_end(self);
    fprintf(stderr, "\r%-12s", report->phase);
    if (report->total > 0) {
        const double share = (double)report->done / (double)report->total;
        draw_bar(share > 1 ? 1 : share);
    } else {
        fprintf(stderr, " %llu", (unsigned long long)report->done);
    }
    if (report->loss != 0) fprintf(stderr, "  loss %.4f", report->loss);
    if (report->recall > 0) fprintf(stderr, "  recall@10 %.3f", report->recall);
    draw_time(report->seconds_left);
    fputs("\x1b[K", stderr); /* the rest of a longer line drawn before */
    fflush(stderr);
    self->drawn = 1;
    self->phase = report->phase;
    return interrupted();
}
