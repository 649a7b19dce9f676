# Install rules: headers, both libraries, the tool, its man page, gosset.pc, the CMake package.
include(CMakePackageConfigHelpers)

if(NOT TARGET gosset)
  return()
endif()
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gosset)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/gosset DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# Two export sets: who links the shared library needs none of its dependencies, who links the static one needs all.
install(TARGETS gosset EXPORT gossetTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} NAMELINK_COMPONENT dev)
install(TARGETS gosset_static EXPORT gossetStaticTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT gossetTargets NAMESPACE gosset:: DESTINATION ${package_dir})
install(EXPORT gossetStaticTargets NAMESPACE gosset:: DESTINATION ${package_dir})
if(TARGET gosset_tool)
  install(TARGETS gosset_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/docs/gosset.1)
  install(FILES ${PROJECT_SOURCE_DIR}/docs/gosset.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md ${PROJECT_SOURCE_DIR}/LICENSE
  DESTINATION ${CMAKE_INSTALL_DOCDIR})

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/gossetConfig.cmake.in
  ${PROJECT_BINARY_DIR}/gossetConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/gossetConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/gossetConfig.cmake ${PROJECT_BINARY_DIR}/gossetConfigVersion.cmake
  DESTINATION ${package_dir})

# ${pcfiledir} makes the prefix follow the file, so an installed tree can be moved. That needs relative folders.
file(RELATIVE_PATH pc_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(${PROJECT_SOURCE_DIR}/cmake/gosset.pc.in ${PROJECT_BINARY_DIR}/gosset.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/gosset.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
