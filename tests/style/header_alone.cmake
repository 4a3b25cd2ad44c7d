# One generated source for each header, that includes it alone and twice. They are compiled to
# objects rather than with -fsyntax-only, so that only headers that changed are compiled again.
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
     ${PROJECT_SOURCE_DIR}/src/*.h ${PROJECT_SOURCE_DIR}/include/*.h)
set(sources)
foreach(header ${headers})
  string(REGEX REPLACE "^(src|include)/" "" name ${header})
  set(source ${CMAKE_CURRENT_BINARY_DIR}/alone/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${name}\"\n#include \"${name}\"\n" @ONLY)
  list(APPEND sources ${source})
endforeach()

add_library(header_alone OBJECT EXCLUDE_FROM_ALL ${sources})
target_compile_options(header_alone PRIVATE -O0 -g0)
target_include_directories(header_alone PRIVATE ${PROJECT_SOURCE_DIR}/include
                                                ${PROJECT_SOURCE_DIR}/src)
# Every module's include folders and generated headers.
get_property(modules DIRECTORY ${PROJECT_SOURCE_DIR}/src PROPERTY BUILDSYSTEM_TARGETS)
foreach(module ${modules})
  get_target_property(type ${module} TYPE)
  if(module MATCHES "^lathe_" AND type STREQUAL "STATIC_LIBRARY")
    target_link_libraries(header_alone PRIVATE ${module})
  endif()
endforeach()

style_test(header_alone ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target header_alone)
set_tests_properties(header_alone PROPERTIES RUN_SERIAL ON TIMEOUT 1200)
