# Shared by the folders of tests/: networks beside the project, and comparing by the command line.
set(LATHE_MODELS ${PROJECT_SOURCE_DIR}/../shared/models)

# A test that says why it is skipped when the networks are not beside the project.
function(lathe_skipped name labels)
  add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -E echo "${LATHE_MODELS} is not there")
  set_tests_properties(${name} PROPERTIES SKIP_REGULAR_EXPRESSION "is not there" LABELS "${labels}")
endfunction()

# lathe_cli_test(NAME LABELS labels ARGS ...): the command line exits with 0. A path that begins with
# @ stands in the folder of networks, and the test is skipped when that folder is not there.
function(lathe_cli_test name)
  cmake_parse_arguments(T "" "PASS" "LABELS;ARGS" ${ARGN})
  string(FIND "${T_ARGS}" "@" from_models)
  if(from_models GREATER -1 AND NOT EXISTS ${LATHE_MODELS})
    lathe_skipped(${name} "${T_LABELS}")
    return()
  endif()
  string(REPLACE "@" "${LATHE_MODELS}/" arguments "${T_ARGS}")
  add_test(NAME ${name} COMMAND lathe_cli ${arguments})
  set_tests_properties(${name} PROPERTIES LABELS "${T_LABELS}" TIMEOUT 300)
  if(T_PASS)
    set_tests_properties(${name} PROPERTIES PASS_REGULAR_EXPRESSION "${T_PASS}")
  endif()
endfunction()
