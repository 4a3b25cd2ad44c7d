# `cmake --install build --prefix DIR`: the two libraries, their headers, the command line, and the
# package that find_package(lathe) finds, with the targets lathe::lathe and lathe::lathe-runtime.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/lathe)

set_target_properties(lathe_shared PROPERTIES EXPORT_NAME lathe)
set_target_properties(lathe_runtime_shared PROPERTIES EXPORT_NAME lathe-runtime)
file(RELATIVE_PATH from_bin_to_lib /${CMAKE_INSTALL_FULL_BINDIR} /${CMAKE_INSTALL_FULL_LIBDIR})
set_target_properties(lathe_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${from_bin_to_lib}")

install(TARGETS lathe_shared lathe_runtime_shared EXPORT lathe-targets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS lathe_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/lathe DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT lathe-targets NAMESPACE lathe:: FILE lathe-config.cmake DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/lathe-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/lathe-config-version.cmake DESTINATION ${package})
