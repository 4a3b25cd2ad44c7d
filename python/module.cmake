# The module of one Python and one version of nanobind, whose package is copied beside it: paths of
# pip's environments in compiler flags would mean compiling everything again.
execute_process(COMMAND ${Python_EXECUTABLE} -c "if True:
  import nanobind, pathlib, sysconfig
  print(sysconfig.get_config_var('SOABI'), nanobind.__version__,
        pathlib.Path(nanobind.__file__).parent, sep=';', end='')"
  OUTPUT_VARIABLE facts COMMAND_ERROR_IS_FATAL ANY)
list(GET facts 0 abi)
list(GET facts 1 version)
list(GET facts 2 package)
set(module ${LATHE_BUILD}/python/module/${abi}-nanobind-${version})
if(NOT EXISTS ${module}/nanobind)
  file(COPY ${package}/ DESTINATION ${module}/nanobind PATTERN __pycache__ EXCLUDE)
endif()

set(passed)
foreach(name CMAKE_BUILD_TYPE CMAKE_MAKE_PROGRAM CMAKE_MODULE_PATH Python_EXECUTABLE
             Python_INCLUDE_DIR Python_ROOT_DIR LATHE_BUILD)
  if(DEFINED ${name})
    list(JOIN ${name} "\\;" value)
    list(APPEND passed -D${name}=${value})
  endif()
endforeach()
execute_process(COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_SOURCE_DIR}/src -B ${module}
                        -G ${CMAKE_GENERATOR} -DNANOBIND=${module}/nanobind ${passed}
                COMMAND_ERROR_IS_FATAL ANY)
add_custom_target(lathe_module ALL USES_TERMINAL COMMAND ${CMAKE_COMMAND} --build ${module})
add_dependencies(lathe_module lathe_tree_build)
install(CODE "execute_process(COMMAND ${CMAKE_COMMAND} --install ${module} --component python
                                      --prefix \${CMAKE_INSTALL_PREFIX}
                              OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)" COMPONENT python)
