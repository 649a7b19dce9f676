/* gosset train: learn the map from a sample of the vectors. */
#include "cli/commands.h"
#include "cli/describe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct train_options {
    common_options common;
    const char *learn, *learn_query, *spreading, *optimizer, *out, *loss, *lattice, *cells, *checkpoint;
    uint32_t bytes, width, output_dimension, epochs, batch;
    double minutes, lambda, rate;
    uint64_t seed, vectors;
    gosset_metric metric;
    int resume, no_quantize;
} train_options;

static int parse(const command *self, train_options *options, int argc, char **argv) {
    options->lambda = NAN;
    const option_row rows[] = {
        {'l', "learn", OPTION_TEXT, &options->learn, 1, "FILE",
         "vectors to learn from; 1,000 at least, 100,000 is good"},
        {'q', "learn-query", OPTION_TEXT, &options->learn_query, 0, "FILE",
         "a sample of queries that are not like the vectors; 100 at least, 1,000 is good"},
        {'o', "out", OPTION_TEXT, &options->out, 1, "FILE", "the model to write"},
        {'b', "bytes", OPTION_COUNT, &options->bytes, 0, "N", "bytes of memory a vector's code may take (default 32)"},
        {'m', "metric", OPTION_METRIC, &options->metric, 0, "NAME", "l2 (default), ip or cosine"},
        {0, "minutes", OPTION_REAL, &options->minutes, 0, "X", "train about this long; the more, the better the codes"},
        {0, "epochs", OPTION_COUNT, &options->epochs, 0, "N", "passes over the vectors, instead of --minutes"},
        {0, "loss", OPTION_TEXT, &options->loss, 0, "NAME", "what is minimised (see below)"},
        {0, "width", OPTION_COUNT, &options->width, 0, "N", "hidden units of each layer"},
        {0, "output-dimension", OPTION_COUNT, &options->output_dimension, 0, "N", "dimensions of the sphere"},
        {0, "lattice", OPTION_TEXT, &options->lattice, 0, "SPEC", "lattice of the codes, such as zn:24:79"},
        {'n', "vectors", OPTION_AMOUNT, &options->vectors, 0, "N",
         "about how many an index will hold, such as 10M (default 1M): sets how fine the cells are"},
        {0, "cells", OPTION_TEXT, &options->cells, 0, "SPEC", "lattice of the cells, instead of --vectors"},
        {0, "lambda", OPTION_REAL, &options->lambda, 0, "X", "weight of spreading over the sphere; 0 = none"},
        {0, "spreading", OPTION_TEXT, &options->spreading, 0, "NAME", "koleo (default) or potential"},
        {0, "optimizer", OPTION_TEXT, &options->optimizer, 0, "NAME", "adamw or sgd (default: the loss's)"},
        {0, "rate", OPTION_REAL, &options->rate, 0, "X", "first learning rate"},
        {0, "batch", OPTION_COUNT, &options->batch, 0, "N", "vectors in one step"},
        {0, "no-quantize", OPTION_FLAG, &options->no_quantize, 0, NULL,
         "the loss sees vectors, not the cells they fall into"},
        {0, "seed", OPTION_NUMBER, &options->seed, 0, "N", "same seed, same model (with --epochs)"},
        {0, "checkpoint", OPTION_TEXT, &options->checkpoint, 0, "FILE",
         "state after each epoch (default: OUT.checkpoint)"},
        {0, "resume", OPTION_FLAG, &options->resume, 0, NULL, "continue from the checkpoint of an interrupted run"},
    };
    int first;
    const int code = options_parse(self, rows, sizeof rows / sizeof *rows, &options->common, argc, argv, 0, &first);
    if (code >= 0) return code;
    if (options->epochs > 0 && options->minutes != 0)
        return usage_error(self, "--epochs and --minutes exclude each other");
    if (options->minutes < 0) return usage_error(self, "--minutes must be positive");
    return -1;
}

static gosset_train_config make_config(const train_options *options, const gosset_env *env, const char *checkpoint,
                                       const gosset_vectors *queries) {
    gosset_train_config config = {.struct_size = sizeof config,
                                  .env = env,
                                  .metric = options->metric,
                                  .code_bytes = options->bytes,
                                  .loss = options->loss,
                                  .code_lattice = options->lattice,
                                  .cell_lattice = options->cells,
                                  .width = options->width,
                                  .output_dimension = options->output_dimension,
                                  .epochs = options->epochs,
                                  .minutes = options->minutes,
                                  .batch_size = options->batch,
                                  .learning_rate = (float)options->rate,
                                  .seed = options->seed,
                                  .checkpoint = checkpoint,
                                  .resume = options->resume,
                                  .learn_queries = options->learn_query ? queries : NULL,
                                  .spreading = options->spreading,
                                  .optimizer = options->optimizer,
                                  .quantize = options->no_quantize ? -1 : 0,
                                  .vector_count = options->vectors};
    /* In the library zero means the default, on the command line it means zero. */
    if (!isnan(options->lambda)) config.uniformity = options->lambda > 0 ? (float)options->lambda : -1.0f;
    return config;
}

static int report(cli_session *session, const gosset_model *model, const char *path) {
    output_text(&session->output, "model", "model", path);
    const gosset_status status = describe_model(session, model, NULL);
    output_bytes(&session->output, "peak_bytes", "peak memory", peak_bytes());
    return status == GOSSET_OK ? EXIT_OK : session_failed(session, status);
}

static int run(const command *self, int argc, char **argv) {
    train_options options = {.learn = NULL};
    int code = parse(self, &options, argc, argv);
    if (code >= 0) return code;
    char checkpoint[4096];
    if (snprintf(checkpoint, sizeof checkpoint, "%s.checkpoint", options.out) >= (int)sizeof checkpoint)
        return usage_error(self, "--out: the name is too long");
    const char *kept = options.checkpoint ? options.checkpoint : checkpoint;
    cli_session session;
    gosset_dataset *learn = NULL, *asked = NULL;
    gosset_vectors vectors, queries;
    gosset_model *model = NULL;
    session_start(&session, self, &options.common);
    code = EXIT_OK;
    if (gosset_dataset_open(&learn, options.learn) != GOSSET_OK || gosset_dataset_map(learn, &vectors) != GOSSET_OK ||
        (options.learn_query && (gosset_dataset_open(&asked, options.learn_query) != GOSSET_OK ||
                                 gosset_dataset_map(asked, &queries) != GOSSET_OK))) {
        code = session_dataset_failed(&session);
    } else {
        const gosset_train_config config = make_config(&options, &session.env, kept, &queries);
        gosset_status status = gosset_train(&model, &vectors, &config);
        if (status == GOSSET_OK) status = gosset_model_save(model, options.out);
        if (status == GOSSET_E_ARGUMENT) code = session_check_finite(&session, options.learn, &vectors, 0);
        if (status == GOSSET_E_ARGUMENT && code == EXIT_OK && asked)
            code = session_check_finite(&session, options.learn_query, &queries, 0);
        if (status != GOSSET_OK && code == EXIT_OK) code = session_failed(&session, status);
        if (status == GOSSET_E_CANCELLED && access(kept, F_OK) == 0)
            session_note(&session, "%s holds what was learnt; the same command with --resume goes on", kept);
        progress_end(&session.progress);
        if (status == GOSSET_OK) code = report(&session, model, options.out);
    }
    if (code == EXIT_OK && !options.checkpoint) unlink(checkpoint);
    gosset_model_free(model);
    gosset_dataset_close(asked);
    gosset_dataset_close(learn);
    return session_end(&session, code);
}

const command command_train = {
    .name = "train",
    .summary = "learn the map from a sample of your vectors",
    .operands = "",
    .explanation =
        "Trains the small network that spreads vectors over the sphere. Do it once on a sample of the data; any\n"
        "number of indexes can then be built with the model, and merged. Part of the sample is held out: it picks\n"
        "the best epoch and later tells each index how hard to search for a wanted recall.\n\n"
        "When the map is finished, the last layer of queries is trained once more, so that queries come to lie where\n"
        "their neighbours do; it is kept if held-out queries then need to look at fewer vectors. With --learn-query\n"
        "these are queries of yours: half of them, at most 1,000, are held out and calibrate indexes as well.\n\n"
        "Ctrl-C keeps the state in the checkpoint; the same command with --resume goes on from there. One map serves\n"
        "codes and indexes of all sizes: keep the --checkpoint, and --resume with other --bytes or --vectors fits\n"
        "other codes or cells to it.\n"
        "Memory: 500,000 vectors at most are learnt from, chosen by the seed. They are held as floats, with 32\n"
        "neighbours each (640 bytes a vector of 128 dimensions); a larger file is read in passes, not held. With\n"
        "--verbose the rate of the steps is told beside that of large matrix products in floats here.\n\n"
        "Losses: 'rank' is the triplet loss of Sablayrolles et al. (2019); without --loss the best known is used.",
    .example = "  gosset train --learn learn.fvecs --out photos.model --bytes 16 --minutes 5",
    .run = run,
};
