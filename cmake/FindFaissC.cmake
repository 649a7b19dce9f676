# FindFaissC: the target FaissC::FaissC, FAISS through its C API.
#
# A FAISS built with FAISS_ENABLE_C_API has libfaiss_c. Debian 12's libfaiss-dev (1.7.3) has the C headers but no
# implementation of them; then FAISSC_FROM_SHIM is set and bench/faiss_c_shim.cpp implements what we use of them over
# the static C++ library.
find_path(FAISSC_INCLUDE_DIR faiss/c_api/index_factory_c.h)
find_library(FAISSC_LIBRARY faiss_c)
find_library(FAISS_LIBRARY faiss)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(FaissC REQUIRED_VARS FAISS_LIBRARY FAISSC_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "on Debian: apt-get install libfaiss-dev")
mark_as_advanced(FAISSC_INCLUDE_DIR FAISSC_LIBRARY FAISS_LIBRARY)

if(FAISSC_INCLUDE_DIR)
  file(STRINGS ${FAISSC_INCLUDE_DIR}/faiss/Index.h version_lines REGEX "define FAISS_VERSION_")
  string(REGEX REPLACE "[^0-9]*([0-9]+)[^0-9]+([0-9]+)[^0-9]+([0-9]+).*" "\\1.\\2.\\3" FAISSC_VERSION "${version_lines}")
endif()

if(FaissC_FOUND AND NOT TARGET FaissC::FaissC)
  # FAISS is C++ and parallel by OpenMP, whichever way it is reached. Only gosset-bench links it.
  enable_language(CXX)
  find_package(OpenMP REQUIRED COMPONENTS C CXX)
  add_library(FaissC::FaissC INTERFACE IMPORTED GLOBAL)
  if(FAISSC_LIBRARY)
    target_link_libraries(FaissC::FaissC INTERFACE ${FAISSC_LIBRARY})
  else()
    set(FAISSC_FROM_SHIM TRUE)
  endif()
  find_library(FAISSC_LAPACK NAMES lapack)
  mark_as_advanced(FAISSC_LAPACK)
  target_link_libraries(FaissC::FaissC INTERFACE ${FAISS_LIBRARY} PkgConfig::BLAS
    $<$<BOOL:${FAISSC_LAPACK}>:${FAISSC_LAPACK}> OpenMP::OpenMP_CXX OpenMP::OpenMP_C)
  target_include_directories(FaissC::FaissC INTERFACE ${FAISSC_INCLUDE_DIR})
endif()
