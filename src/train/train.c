/* The training loop: set up, epochs, and the best parameters made into a model. */
#include "base/status.h"
#include "train/blas.h"
#include "train/principal.h"
#include "train/trainer.h"

#include <math.h>
#include <string.h>

enum {
    SAMPLE_ROWS = 8192,     /* for the population statistics of the hidden layers */
    REHEARSAL_STEPS = 30,   /* timed, then forgotten */
    VALIDATIONS_MAX = 40,   /* of a long training */
    UPDATE_BLOCK = 1 << 12, /* parameters per piece of an optimizer step */
    MINED_MAX = 16          /* negatives kept per row */
};

/* ---- set up --------------------------------------------------------------------------------- */

static float *allocate_floats(gosset__trainer *trainer, gosset_status *status, size_t count) {
    float *memory = *status == GOSSET_OK ? gosset__alloc_zero(&trainer->env, count * sizeof *memory) : NULL;
    if (!memory && *status == GOSSET_OK) *status = gosset__no_memory("training", count * sizeof *memory);
    return memory;
}

/* Ranks of the recipe refer to the whole learn set; mining searches a subset, where they shrink in proportion. */
static void plan_mining(gosset__trainer *trainer) {
    const gosset__loss_ops *loss = trainer->settings.loss;
    if (!loss->negatives) return;
    double share = (double)gosset__mined_subset(trainer->learn.count) / (double)trainer->learn.count;
    uint32_t first = (uint32_t)ceil(loss->negative_first * share), last = (uint32_t)ceil(loss->negative_last * share);
    trainer->mined_first = first > 0 ? first : 1;
    trainer->mined_count = last - trainer->mined_first + 1;
    if (trainer->mined_count < loss->negatives) trainer->mined_count = loss->negatives;
    if (trainer->mined_count > MINED_MAX) trainer->mined_count = MINED_MAX;
}

static const gosset__panels_ops *choose_panels(const gosset__trainer *trainer) {
    const int wanted = trainer->kernels->matrix_tiles;
    const gosset__panels_ops *tiles = wanted ? gosset__panels_tiles() : NULL;
    const gosset__panels_ops *panels = tiles ? tiles : &gosset__panels_float;
    const char *asked_for = gosset__kernels_asked_for(trainer->env.cpu);
    const int refused = wanted && !tiles, disappoints = refused && asked_for && asked_for[0];
    gosset__log(&trainer->env, disappoints ? GOSSET_LOG_WARNING : GOSSET_LOG_INFO, "matrix products of the steps: %s%s",
                panels->name, refused ? " (compiler or system let no program use tiles of bfloat16)" : "");
    return panels;
}

static gosset_status allocate_batch(gosset__trainer *trainer) {
    const gosset__settings *s = &trainer->settings;
    const gosset__loss_ops *loss = s->loss;
    gosset__loss_batch *batch = &trainer->batch;
    gosset_status status = GOSSET_OK;
    batch->anchors = s->anchors < trainer->learn.count ? s->anchors : trainer->learn.count;
    batch->members = 1 + loss->positives + loss->negatives;
    batch->rows = batch->anchors * batch->members;
    batch->features = trainer->shape.features;
    batch->dimension = trainer->shape.output;
    batch->spread = s->spread;
    batch->uniformity = s->uniformity;
    batch->pool = trainer->pool;
    batch->panels = choose_panels(trainer);
    size_t scratch = loss->scratch_size(batch->anchors, batch->members, batch->features, batch->dimension,
                                        gosset__pool_threads(trainer->pool));
    batch->scratch = trainer->loss_scratch = allocate_floats(trainer, &status, scratch);
    batch->radii = trainer->batch_radii = allocate_floats(trainer, &status, batch->rows);
    batch->ids = trainer->batch_ids = (uint32_t *)allocate_floats(trainer, &status, batch->rows);
    trainer->order = (uint32_t *)allocate_floats(trainer, &status, trainer->learn.count);
    trainer->mined = (uint32_t *)allocate_floats(trainer, &status, trainer->learn.count * trainer->mined_count + 1);
    if (status != GOSSET_OK) return status;
    GOSSET_TRY(gosset__pass_create(&trainer->pass, &trainer->shape, batch->rows, trainer->pool, &trainer->env));
    trainer->pass.fill = gosset__batch_fill;
    trainer->pass.fill_context = trainer;
    trainer->pass.panels = batch->panels;
    batch->inputs = trainer->pass.x;
    batch->latents = batch->points = trainer->pass.z;
    batch->gradients = trainer->pass.dz;
    trainer->steps_per_epoch = trainer->learn.count / batch->anchors;
out:
    return status;
}

static gosset_status allocate_parameters(gosset__trainer *trainer) {
    gosset_status status = GOSSET_OK;
    size_t count = trainer->parameter_count = gosset__parameters_count(&trainer->shape);
    trainer->parameters = allocate_floats(trainer, &status, count);
    trainer->gradients = allocate_floats(trainer, &status, count);
    trainer->best = allocate_floats(trainer, &status, count);
    trainer->state = allocate_floats(trainer, &status, count * trainer->settings.optimizer->states);
    trainer->folded = allocate_floats(trainer, &status, gosset__folded_count(&trainer->shape));
    return status;
}

static void fill_uniform(gosset__rng *rng, float *values, size_t count, float bound) {
    for (size_t i = 0; i < count; i++) values[i] = bound * (float)(2 * gosset__rng_unit(rng) - 1);
}

/* The skip starts as the principal axes, scaled so that its output has norm 1 on average; the rest starts small. */
static gosset_status start_skip(gosset__trainer *trainer, float *skip) {
    size_t features = trainer->shape.features, output = trainer->shape.output, rows = trainer->learn.count;
    gosset_status status = gosset__principal_axes(trainer->learn.rows, rows, (uint32_t)features, (uint32_t)output, skip,
                                                  trainer->pool, &trainer->env);
    if (status != GOSSET_OK) return status;
    double square = 0;
    size_t sample = rows < SAMPLE_ROWS ? rows : SAMPLE_ROWS;
    for (size_t r = 0; r < sample * features; r++)
        square += (double)trainer->learn.rows[r] * (double)trainer->learn.rows[r];
    float factor = square > 0 ? (float)(1 / sqrt(square / (double)sample)) : 1.0f;
    for (size_t i = 0; i < features * output; i++) skip[i] *= factor;
    return GOSSET_OK;
}

static gosset_status start_parameters(gosset__trainer *trainer) {
    const float last_layer_beside_skip = 0.1f;
    const gosset__shape *shape = &trainer->shape;
    gosset__parameters p = gosset__parameters_view(shape, trainer->parameters);
    gosset__rng rng = gosset__trainer_rng(trainer->settings.seed, GOSSET__STREAM_WEIGHTS, 0);
    size_t width = shape->width;
    float hidden = 1.0f / sqrtf((float)width);
    memset(trainer->state, 0, trainer->parameter_count * trainer->settings.optimizer->states * sizeof(float));
    fill_uniform(&rng, p.w1, shape->features * width, 1.0f / sqrtf((float)shape->features));
    fill_uniform(&rng, p.w2, width * width, hidden);
    fill_uniform(&rng, p.w3, width * shape->output, shape->skip ? last_layer_beside_skip * hidden : hidden);
    fill_uniform(&rng, p.bias3, shape->output, shape->skip ? 0.0f : hidden);
    for (size_t j = 0; j < width; j++) {
        p.gamma1[j] = p.gamma2[j] = 1;
        p.beta1[j] = p.beta2[j] = 0;
    }
    return shape->skip ? start_skip(trainer, p.skip) : GOSSET_OK;
}

static gosset_status set_up(gosset__trainer *trainer, const gosset_vectors *learn, const gosset_train_config *config) {
    const gosset__settings *s = &trainer->settings;
    gosset_status status;
    const gosset_vectors *queries = config->learn_queries;
    const uint32_t held_out = queries ? gosset__given_held_out(queries->count) : gosset__held_out_count(learn->count);
    trainer->shape = (gosset__shape){gosset__preprocess_features(learn->dimension, s->metric), s->width,
                                     s->output_dimension, (uint32_t)s->loss->skip};
    GOSSET_TRY(gosset__kernels_get(&trainer->kernels, trainer->env.cpu));
    GOSSET_TRY(gosset__model_create(&trainer->model, &trainer->shape, learn->dimension, s->metric,
                                    held_out < GOSSET__HELD_OUT_MAX ? held_out : GOSSET__HELD_OUT_MAX, s->code_lattice,
                                    s->cell_lattice, config->env));
    GOSSET_TRY(gosset__pool_create(&trainer->pool, &trainer->env));
    GOSSET_TRY(gosset__learn_prepare(trainer, learn));
    if (queries) GOSSET_TRY(gosset__given_prepare(trainer, queries));
    plan_mining(trainer);
    GOSSET_TRY(allocate_batch(trainer));
    GOSSET_TRY(allocate_parameters(trainer));
    if (s->quantize) GOSSET_TRY(gosset__points_prepare(trainer));
    GOSSET_TRY(start_parameters(trainer));
out:
    return status;
}

static void tear_down(gosset__trainer *trainer) {
    const gosset__env *env = &trainer->env;
    gosset__learn_free(&trainer->learn, env);
    gosset__given_free(&trainer->given, env);
    gosset__pass_free(&trainer->pass);
    void *const blocks[] = {trainer->parameters, trainer->gradients,    trainer->best,      trainer->state,
                            trainer->folded,     trainer->mined,        trainer->batch_ids, trainer->batch_radii,
                            trainer->order,      trainer->loss_scratch, trainer->points};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) gosset__free(env, blocks[i]);
    gosset__pool_free(trainer->pool);
    gosset_model_free(trainer->model);
}

/* ---- steps ---------------------------------------------------------------------------------- */

gosset_status gosset__trainer_fold(gosset__trainer *trainer, const float *parameters, float *folded) {
    gosset__parameters p = gosset__parameters_view(&trainer->shape, (float *)parameters);
    gosset__folded f = gosset__folded_view(&trainer->shape, folded);
    size_t sample = trainer->learn.count < SAMPLE_ROWS ? trainer->learn.count : SAMPLE_ROWS;
    return gosset__fold(&trainer->shape, &p, trainer->learn.rows, sample, &f, trainer->pool, &trainer->env);
}

typedef struct update {
    gosset__trainer *trainer;
    float rate;
    size_t matrices, matrix_blocks;
} update;

/* The first item is the next batch: one thread's work, best done beside what others can do. */
static gosset_status update_block(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const update *self = context;
    gosset__trainer *t = self->trainer;
    if (item-- == 0) {
        if ((t->step + 1) % t->steps_per_epoch != 0) gosset__batch_draw(t, t->step + 1);
        return GOSSET_OK;
    }
    int decay = item < self->matrix_blocks;
    size_t first = decay ? item * UPDATE_BLOCK : self->matrices + (item - self->matrix_blocks) * UPDATE_BLOCK;
    size_t end = decay ? self->matrices : t->parameter_count;
    size_t count = end - first < UPDATE_BLOCK ? end - first : UPDATE_BLOCK;
    gosset__pass_gradients(&t->pass, first, count, t->gradients + first);
    t->settings.optimizer->update(count, t->step + 1, self->rate, decay, t->parameters + first, t->gradients + first,
                                  t->state + first, t->parameter_count);
    return GOSSET_OK;
}

static gosset_status train_step(gosset__trainer *trainer, double *loss) {
    const gosset__optimizer_ops *optimizer = trainer->settings.optimizer;
    gosset__parameters parameters = gosset__parameters_view(&trainer->shape, trainer->parameters);
    update self = {.trainer = trainer, .matrices = gosset__parameters_matrices(&trainer->shape)};
    size_t others = trainer->parameter_count - self.matrices;
    gosset_status status;
    self.rate = optimizer->rate(trainer->settings.learning_rate, trainer->step, trainer->steps);
    self.matrix_blocks = (self.matrices + UPDATE_BLOCK - 1) / UPDATE_BLOCK;
    gosset__batch_draw(trainer, trainer->step);
    GOSSET_TRY(gosset__pass_forward(&trainer->pass, &parameters));
    if (trainer->points) GOSSET_TRY(gosset__points_fill(trainer));
    GOSSET_TRY(trainer->settings.loss->value_and_gradient(&trainer->batch, loss));
    GOSSET_REQUIRE(isfinite(*loss), GOSSET_E_DIVERGED,
                   "gosset_train: step %llu: the loss is no longer finite; a smaller learning_rate than %g may help",
                   (unsigned long long)trainer->step, (double)trainer->settings.learning_rate);
    GOSSET_TRY(gosset__pass_backward(&trainer->pass, &parameters));
    GOSSET_TRY(gosset__pool_run(trainer->pool, 1 + self.matrix_blocks + (others + UPDATE_BLOCK - 1) / UPDATE_BLOCK,
                                update_block, &self));
    trainer->step++;
out:
    return status;
}

static uint32_t validation_interval(uint32_t epochs) {
    return (epochs + VALIDATIONS_MAX - 1) / VALIDATIONS_MAX;
}

static gosset_status start_epoch(gosset__trainer *trainer, uint64_t epoch) {
    return trainer->settings.loss->negatives ? gosset__mine(trainer, epoch) : GOSSET_OK;
}

/**
 * How many epochs fit into the minutes: a few steps, one mining and one validation are timed and forgotten. Only the
 * number of epochs is kept, so that a training with that number repeats this one to the bit.
 */
static gosset_status rehearse(gosset__trainer *trainer) {
    gosset_status status;
    double loss, recall, left = trainer->settings.minutes * 60;
    trainer->steps = UINT32_MAX;
    gosset__batch_order(trainer, 0);
    double t0 = gosset__seconds();
    GOSSET_TRY(start_epoch(trainer, 0));
    double t1 = gosset__seconds();
    uint64_t steps = trainer->steps_per_epoch < REHEARSAL_STEPS ? trainer->steps_per_epoch : REHEARSAL_STEPS;
    while (trainer->step < steps) GOSSET_TRY(train_step(trainer, &loss));
    double t2 = gosset__seconds();
    GOSSET_TRY(gosset__validate(trainer, &recall));
    double t3 = gosset__seconds();
    double epoch = (t1 - t0) + (t2 - t1) / (double)steps * (double)trainer->steps_per_epoch;
    left -= t3 - trainer->started;
    double epochs = floor(left / (epoch + (t3 - t2)));
    if (epochs > VALIDATIONS_MAX) epochs = floor((left - VALIDATIONS_MAX * (t3 - t2)) / epoch);
    trainer->settings.epochs = epochs < 1 ? 1 : epochs > 100000 ? 100000 : (uint32_t)epochs;
    trainer->step = 0;
    GOSSET_TRY(start_parameters(trainer));
out:
    return status;
}

static gosset_status end_epoch(gosset__trainer *trainer) {
    uint32_t done = (uint32_t)(trainer->step / trainer->steps_per_epoch), epochs = trainer->settings.epochs;
    gosset_status status = GOSSET_OK;
    if (done % validation_interval(epochs) == 0 || done == epochs) {
        GOSSET_TRY(gosset__validate(trainer, &trainer->recall));
        if (trainer->best_epoch == 0 || trainer->recall > trainer->best_recall) {
            trainer->best_recall = trainer->recall;
            trainer->best_epoch = done;
            memcpy(trainer->best, trainer->parameters, trainer->parameter_count * sizeof(float));
        }
        gosset__log(&trainer->env, GOSSET_LOG_DEBUG, "epoch %u of %u: validation recall@10 %.4f after %.1f s", done,
                    epochs, trainer->recall, gosset__seconds() - trainer->started);
    }
    if (trainer->settings.checkpoint) GOSSET_TRY(gosset__checkpoint_save(trainer));
out:
    return status;
}

/* What was done counts, even when the caller wants no more of it now. */
static gosset_status cancel(gosset__trainer *trainer, gosset_status reason) {
    if (reason != GOSSET_E_CANCELLED || !trainer->settings.checkpoint) return reason;
    gosset_status status = gosset__checkpoint_save(trainer);
    if (status != GOSSET_OK) return status;
    return gosset__fail(GOSSET_E_CANCELLED, "gosset_train: cancelled at step %llu of %llu; %s continues from there",
                        (unsigned long long)trainer->step, (unsigned long long)trainer->steps,
                        trainer->settings.checkpoint);
}

static gosset_status train_loop(gosset__trainer *trainer) {
    gosset_status status = GOSSET_OK;
    gosset__ticker ticker;
    gosset__ticker_start(&ticker, &trainer->env);
    double started = gosset__seconds(), loss = 0, smooth = 0;
    uint64_t first = trainer->step;
    trainer->steps = trainer->settings.epochs * trainer->steps_per_epoch;
    if (trainer->step % trainer->steps_per_epoch != 0)
        gosset__batch_order(trainer, trainer->step / trainer->steps_per_epoch);
    while (trainer->step < trainer->steps) {
        if (trainer->step % trainer->steps_per_epoch == 0) {
            gosset__batch_order(trainer, trainer->step / trainer->steps_per_epoch);
            GOSSET_TRY(start_epoch(trainer, trainer->step / trainer->steps_per_epoch));
        }
        const double start = gosset__seconds();
        GOSSET_TRY(train_step(trainer, &loss));
        trainer->step_seconds += gosset__seconds() - start;
        trainer->steps_timed++;
        smooth = smooth == 0 ? loss : 0.98 * smooth + 0.02 * loss;
        if (trainer->step % trainer->steps_per_epoch == 0) GOSSET_TRY(end_epoch(trainer));
        double rate = (gosset__seconds() - started) / (double)(trainer->step - first);
        status =
            gosset__tick(&ticker, &(gosset_progress){.phase = "train",
                                                     .done = trainer->step,
                                                     .total = trainer->steps,
                                                     .seconds_left = rate * (double)(trainer->steps - trainer->step),
                                                     .loss = smooth,
                                                     .recall = trainer->recall});
        if (status != GOSSET_OK) return cancel(trainer, status);
    }
out:
    return status;
}

static gosset_status deliver(gosset__trainer *trainer, const gosset_vectors *learn, gosset_model **out) {
    gosset_model *model = trainer->model;
    gosset_status status;
    GOSSET_TRY(gosset__trainer_fold(trainer, trainer->best, model->folded));
    if (trainer->settings.residual_words > 0) {
        GOSSET_TRY(gosset__residual_fit(trainer));
        GOSSET_TRY(gosset__queries_fit(trainer));
    }
    memcpy(model->loss, trainer->settings.loss->name, strlen(trainer->settings.loss->name) + 1);
    model->epochs = trainer->settings.epochs;
    model->seed = trainer->settings.seed;
    model->learn_count = learn->count;
    model->validation_recall = trainer->best_recall;
    model->train_seconds = gosset__seconds() - trainer->started;
    GOSSET_TRY(gosset__model_finish(model));
    *out = model;
    trainer->model = NULL;
out:
    return status;
}

gosset_status gosset_train(gosset_model **out, const gosset_vectors *learn, const gosset_train_config *config) {
    if (!out) return gosset__fail(GOSSET_E_ARGUMENT, "gosset_train: expected a place for the model, found NULL");
    *out = NULL;
    gosset_train_config own;
    gosset__trainer trainer = {.started = gosset__seconds()};
    gosset_status status = gosset__config_read(&own, sizeof own, config, "gosset_train_config");
    if (status != GOSSET_OK) return status;
    status = gosset__env_read(&trainer.env, own.env);
    if (status != GOSSET_OK) return status;
    gosset__blas_hold();
    GOSSET_TRY(gosset__settings_resolve(&trainer.settings, &own, learn));
    GOSSET_TRY(set_up(&trainer, learn, &own));
    if (own.resume)
        GOSSET_TRY(gosset__checkpoint_load(&trainer));
    else if (!trainer.settings.epochs)
        GOSSET_TRY(rehearse(&trainer));
    GOSSET_TRY(train_loop(&trainer));
    GOSSET_TRY(gosset__speed_report(&trainer));
    GOSSET_TRY(deliver(&trainer, learn, out));
out:
    gosset__blas_release();
    tear_down(&trainer);
    return status;
}
