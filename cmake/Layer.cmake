# gosset_layer(NAME sources...): one OBJECT library per folder of src/, so that tests can link a layer alone.
function(gosset_layer name)
  add_library(gosset_${name} OBJECT ${ARGN})
  target_link_libraries(gosset_${name} PUBLIC gosset_flags)
  if(name STREQUAL "base")
    target_link_libraries(gosset_base PRIVATE PkgConfig::XXHASH)
  elseif(name STREQUAL "train" OR name STREQUAL "cli")
    target_link_libraries(gosset_${name} PRIVATE PkgConfig::BLAS)
  elseif(name STREQUAL "index")
    target_link_libraries(gosset_index PRIVATE PkgConfig::URING)
  endif()
endfunction()

# gosset_test(NAME SOURCES files... LAYERS base kernel... [LABELS ...]): one Check program, linked to layers.
# Label "threads" marks what also runs under ThreadSanitizer.
function(gosset_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LAYERS;LABELS" ${ARGN})
  add_executable(test_${name} ${ARG_SOURCES})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  foreach(layer ${ARG_LAYERS})
    target_link_libraries(test_${name} PRIVATE gosset_${layer})
  endforeach()
  target_link_libraries(test_${name} PRIVATE gosset_flags PkgConfig::CHECK PkgConfig::XXHASH PkgConfig::URING
    PkgConfig::BLAS Threads::Threads m)
  add_test(NAME ${name} COMMAND test_${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" SKIP_RETURN_CODE 77)
  if(name MATCHES "^(api|train|storage)$")
    set_tests_properties(${name} PROPERTIES COST 100) # the long ones first, so that none is left running alone
  endif()
endfunction()
