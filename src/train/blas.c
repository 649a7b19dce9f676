#include "train/blas.h"

#include <cblas.h>
#include <pthread.h>

/* Absent from other BLAS libraries: then the user's environment decides, and the reference BLAS has one thread. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
extern void openblas_set_num_threads(int count) __attribute__((weak));
extern int openblas_get_num_threads(void) __attribute__((weak));
extern void bli_thread_set_num_threads(long count) __attribute__((weak));
extern long bli_thread_get_num_threads(void) __attribute__((weak));
#pragma GCC diagnostic pop

/* The thread count of BLAS is one number per process, so holding it is one state per process. */
static pthread_mutex_t hold_mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned hold_count;
static long threads_before;

void gosset__blas_hold(void) {
    pthread_mutex_lock(&hold_mutex);
    if (hold_count++ == 0) {
        threads_before = 0;
        if (openblas_set_num_threads && openblas_get_num_threads) {
            threads_before = openblas_get_num_threads();
            openblas_set_num_threads(1);
        } else if (bli_thread_set_num_threads && bli_thread_get_num_threads) {
            threads_before = bli_thread_get_num_threads();
            bli_thread_set_num_threads(1);
        }
    }
    pthread_mutex_unlock(&hold_mutex);
}

void gosset__blas_release(void) {
    pthread_mutex_lock(&hold_mutex);
    if (--hold_count == 0 && threads_before > 0) {
        if (openblas_set_num_threads)
            openblas_set_num_threads((int)threads_before);
        else
            bli_thread_set_num_threads(threads_before);
    }
    pthread_mutex_unlock(&hold_mutex);
}

void gosset__product(size_t m, size_t n, size_t k, const float *a, const float *b, int keep, float *c) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)k, b, (int)n,
                keep ? 1.0f : 0.0f, c, (int)n);
}

void gosset__product_bt(size_t m, size_t n, size_t k, const float *a, const float *b, int keep, float *c) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, 1, a, (int)k, b, (int)k,
                keep ? 1.0f : 0.0f, c, (int)n);
}

void gosset__product_bt_to(size_t m, size_t n, size_t k, const float *a, const float *b, float *c, size_t c_stride) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, 1, a, (int)k, b, (int)k, 0.0f, c,
                (int)c_stride);
}

void gosset__product_at(size_t m, size_t n, size_t k, const float *a, size_t a_stride, const float *b, int keep,
                        float *c) {
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)a_stride, b, (int)n,
                keep ? 1.0f : 0.0f, c, (int)n);
}
