include(CheckCXXCompilerFlag)

# lathe_module(NAME FOLDER [DEPENDS libs...]): FOLDER's .cpp as the object library lathe_NAME, its
# *_test.cpp as the test binary NAME_test, run by CTest as one test with the label NAME.
# COLD: its code runs while an engine is built and never waits for itself, so a release build
# optimizes it less, which compiles a quarter faster.
# TOGETHER n: that many of its files are compiled as one, which halves their time: what headers make
# of templates is made once for them. Names in their anonymous namespaces must differ.
# The first module's precompiled header serves the next, that of `ops` all above it (they include
# op.h anyway), and the first tests' serves the others.
function(lathe_module name folder)
  cmake_parse_arguments(M "COLD" "TOGETHER" "DEPENDS;LIBRARIES;SUBFOLDERS" ${ARGN})
  set(patterns ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
  foreach(sub ${M_SUBFOLDERS})
    list(APPEND patterns ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/${sub}/*.cpp)
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  if(NOT sources)
    return()
  endif()
  add_library(lathe_${name} STATIC ${sources})
  target_include_directories(lathe_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src
                                                  ${PROJECT_BINARY_DIR}/generated)
  if(M_COLD)
    lathe_cold(lathe_${name})
  endif()
  if(M_TOGETHER)
    set_target_properties(lathe_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${M_TOGETHER})
  endif()
  foreach(d ${M_DEPENDS})
    if(TARGET lathe_${d})
      target_link_libraries(lathe_${name} PUBLIC lathe_${d})
    endif()
  endforeach()
  target_link_libraries(lathe_${name} PUBLIC ${M_LIBRARIES})
  if(TARGET lathe_ops)
    lathe_precompile(lathe_${name} lathe_ops precompiled.h ../src/ops/op_common.h)
  else()
    lathe_precompile(lathe_${name} lathe_base precompiled.h)
  endif()
  if(LATHE_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE lathe_${name} GTest::gtest_main)
    target_compile_definitions(${name}_test PRIVATE LATHE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
      target_compile_options(${name}_test PRIVATE -Wno-stringop-overflow)  # as in CMakeLists.txt
    endif()
    lathe_precompile(${name}_test base_test precompiled.h <gtest/gtest.h>)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES LABELS ${name} TIMEOUT 600)
  endif()
endfunction()

function(lathe_cold target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # At this level GCC takes what std::optional guards for uninitialized.
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-Wno-maybe-uninitialized>)
    # What -O2 sets beside the optimizations since GCC 13, without which it does not take the
    # precompiled headers; without loops to unroll it does nothing.
    check_cxx_compiler_flag(-munroll-only-small-loops LATHE_HAS_UNROLL_SMALL)
    if(LATHE_HAS_UNROLL_SMALL)
      target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-munroll-only-small-loops>)
    endif()
  endif()
endfunction()

# lathe_precompile(TARGET OWNER HEADERS...): OWNER compiles HEADERS (of cmake/, or <system>) once for
# its own sources, every other target takes what OWNER made. Their compiler flags must be alike.
function(lathe_precompile target owner)
  if(NOT target STREQUAL owner)
    target_precompile_headers(${target} REUSE_FROM ${owner})
    return()
  endif()
  foreach(header ${ARGN})
    if(NOT header MATCHES "^<")
      set(header ${PROJECT_SOURCE_DIR}/cmake/${header})
    endif()
    target_precompile_headers(${target} PRIVATE ${header})
  endforeach()
endfunction()

# lathe_manifest(DEF FOLDER [EXTENSIONS cpp...] [FRAMEWORK files...]): stops configuring when a source
# of FOLDER is neither in DEF's first column nor named as framework, or a line of DEF has no file.
function(lathe_manifest def folder)
  cmake_parse_arguments(M "" "" "EXTENSIONS;FRAMEWORK" ${ARGN})
  if(NOT M_EXTENSIONS)
    set(M_EXTENSIONS cpp)
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${def})
  file(STRINGS ${def} lines REGEX "^[A-Z]+\\(")
  list(TRANSFORM lines REPLACE "^[A-Z]+\\(([a-z0-9_]+).*" "\\1" OUTPUT_VARIABLE listed)
  list(TRANSFORM M_EXTENSIONS PREPEND ${folder}/*. OUTPUT_VARIABLE patterns)
  file(GLOB files CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/${folder} ${patterns})
  list(TRANSFORM files REPLACE "\\.[a-z]+$" "" OUTPUT_VARIABLE stems)
  foreach(name ${listed})
    if(NOT name IN_LIST stems)
      message(FATAL_ERROR "${def} lists ${name}, and ${folder} has no such file")
    endif()
  endforeach()
  foreach(name ${stems})
    if(NOT name MATCHES "_test$" AND NOT name IN_LIST listed AND NOT name IN_LIST M_FRAMEWORK)
      message(${LATHE_MANIFEST_MESSAGE} "${folder}/${name} is an orphan: add a line to ${def}")
    endif()
  endforeach()
endfunction()
