// The part of FAISS's C API that gosset-bench uses, over the C++ library: Debian 12 packages the C headers without an
// implementation. Every function catches what FAISS throws, keeps its sentence for faiss_get_last_error() and returns
// the code that the headers promise.
#include <faiss/AutoTune.h>
#include <faiss/Index.h>
#include <faiss/IndexIVF.h>
#include <faiss/impl/FaissException.h>
#include <faiss/index_factory.h>

#include <exception>
#include <memory>
#include <string>

#include <faiss/c_api/AutoTune_c.h>
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/index_factory_c.h>

namespace {

thread_local std::string last_error;

template <typename Call>
int guarded(Call call) {
    try {
        call();
        return OK;
    } catch (const faiss::FaissException &error) {
        last_error = error.what();
        return FAISS_EXCEPT;
    } catch (const std::exception &error) {
        last_error = error.what();
        return STD_EXCEPT;
    } catch (...) {
        last_error = "an exception that is not std::exception";
        return UNKNOWN_EXCEPT;
    }
}

faiss::Index *own(FaissIndex *index) { return reinterpret_cast<faiss::Index *>(index); }
const faiss::Index *own(const FaissIndex *index) { return reinterpret_cast<const faiss::Index *>(index); }
const faiss::ParameterSpace *own(const FaissParameterSpace *space) {
    return reinterpret_cast<const faiss::ParameterSpace *>(space);
}

} // namespace

extern "C" {

const char *faiss_get_last_error() { return last_error.c_str(); }

int faiss_index_factory(FaissIndex **out, int d, const char *description, FaissMetricType metric) {
    return guarded([&] {
        faiss::Index *made = faiss::index_factory(d, description, static_cast<faiss::MetricType>(metric));
        *out = reinterpret_cast<FaissIndex *>(made);
    });
}

void faiss_Index_free(FaissIndex *index) { delete own(index); }
int faiss_Index_d(const FaissIndex *index) { return static_cast<int>(own(index)->d); }
int faiss_Index_is_trained(const FaissIndex *index) { return own(index)->is_trained; }
idx_t faiss_Index_ntotal(const FaissIndex *index) { return own(index)->ntotal; }

int faiss_Index_train(FaissIndex *index, idx_t n, const float *x) {
    return guarded([&] { own(index)->train(n, x); });
}

int faiss_Index_add(FaissIndex *index, idx_t n, const float *x) {
    return guarded([&] { own(index)->add(n, x); });
}

int faiss_Index_search(const FaissIndex *index, idx_t n, const float *x, idx_t k, float *distances, idx_t *labels) {
    return guarded([&] { own(index)->search(n, x, k, distances, labels); });
}

int faiss_Index_sa_code_size(const FaissIndex *index, size_t *size) {
    return guarded([&] { *size = own(index)->sa_code_size(); });
}

int faiss_Index_sa_encode(const FaissIndex *index, idx_t n, const float *x, uint8_t *codes) {
    return guarded([&] { own(index)->sa_encode(n, x, codes); });
}

int faiss_Index_sa_decode(const FaissIndex *index, idx_t n, const uint8_t *codes, float *x) {
    return guarded([&] { own(index)->sa_decode(n, codes, x); });
}

FaissIndexIVF *faiss_IndexIVF_cast(FaissIndex *index) {
    return reinterpret_cast<FaissIndexIVF *>(dynamic_cast<faiss::IndexIVF *>(own(index)));
}

FaissIndex *faiss_IndexIVF_quantizer(const FaissIndexIVF *index) {
    return reinterpret_cast<FaissIndex *>(reinterpret_cast<const faiss::IndexIVF *>(index)->quantizer);
}

int faiss_ParameterSpace_new(FaissParameterSpace **space) {
    return guarded([&] { *space = reinterpret_cast<FaissParameterSpace *>(new faiss::ParameterSpace()); });
}

void faiss_ParameterSpace_free(FaissParameterSpace *space) { delete own(space); }

int faiss_ParameterSpace_set_index_parameters(const FaissParameterSpace *space, FaissIndex *index,
                                              const char *parameters) {
    return guarded([&] { own(space)->set_index_parameters(own(index), parameters); });
}

} // extern "C"
