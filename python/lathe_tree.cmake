# lathe_tree_build: the build tree LATHE_BUILD, brought up to date with every build; and what the
# package takes from there: lathe/lib/liblathe.so.0, lathe/bin/lathe.
if(NOT EXISTS ${LATHE_BUILD}/build.ninja AND NOT EXISTS ${LATHE_BUILD}/Makefile)
  message(STATUS "Configuring Lathe in ${LATHE_BUILD}")
  execute_process(COMMAND ${CMAKE_COMMAND} -S ${root} -B ${LATHE_BUILD} -G Ninja
                          -DCMAKE_BUILD_TYPE=Release -DLATHE_TESTS=OFF
                  RESULT_VARIABLE failed)
  if(failed)
    execute_process(COMMAND sh ${root}/tools/setup.sh --build --check OUTPUT_VARIABLE missing)
    string(REPLACE "\n" "\n  " missing "  ${missing}")  # CMake does not wrap indented lines
    message(FATAL_ERROR "Lathe could not be configured; the lines above say what is missing.\n"
                        "${missing}")
  endif()
endif()

add_custom_target(lathe_tree_build ALL USES_TERMINAL
  COMMAND ${CMAKE_COMMAND} --build ${LATHE_BUILD}
          --target lathe_shared lathe_runtime_shared lathe_cli)

# Through an installed tree, whose command line looks for the library in ../lib. Wheels know no
# symbolic links, so the library goes in under the one name by which it is loaded.
set(stage ${CMAKE_CURRENT_BINARY_DIR}/stage)
install(CODE "execute_process(COMMAND ${CMAKE_COMMAND} --install ${LATHE_BUILD} --strip
                              --prefix ${stage} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
              file(REAL_PATH ${stage}/lib/liblathe.so.0 library)
              file(INSTALL \${library} DESTINATION \${CMAKE_INSTALL_PREFIX}/lathe/lib
                   RENAME liblathe.so.0)
              file(INSTALL ${stage}/bin/lathe DESTINATION \${CMAKE_INSTALL_PREFIX}/lathe/bin
                   USE_SOURCE_PERMISSIONS)" COMPONENT python)
