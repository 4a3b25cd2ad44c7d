# The public API, and the two shared libraries: lathe (all) and lathe-runtime (runs engines; no
# protobuf, importer, passes or compiler in it).
lathe_module(api api COLD DEPENDS runtime compiler tuner engine cuda_compile cuda cpu device passes onnx graph ops tensor base)
target_compile_definitions(lathe_api PUBLIC LATHE_VERSION="${PROJECT_VERSION}")
add_library(lathe_shared SHARED $<TARGET_OBJECTS:lathe_api>)
set_target_properties(lathe_shared PROPERTIES OUTPUT_NAME lathe VERSION ${PROJECT_VERSION} SOVERSION 0 LINKER_LANGUAGE CXX)
target_link_libraries(lathe_shared PRIVATE lathe_api)
target_link_options(lathe_shared PRIVATE -Wl,--exclude-libs,ALL -Wl,--gc-sections)
add_library(lathe ALIAS lathe_shared)

# The same objects, of the files that do not build engines.
set(running "describe|device|device_cuda|device_host|devices|engine|session|tensor|tensor_io")
add_library(lathe_runtime_shared SHARED
  "$<FILTER:$<TARGET_OBJECTS:lathe_api>,INCLUDE,/api/(${running})[.]cpp[.]o>"
  api/runtime/tensor_pb.cpp)
set_target_properties(lathe_runtime_shared PROPERTIES OUTPUT_NAME lathe-runtime VERSION ${PROJECT_VERSION} SOVERSION 0)
target_compile_definitions(lathe_runtime_shared PRIVATE LATHE_VERSION="${PROJECT_VERSION}")
target_link_libraries(lathe_runtime_shared PRIVATE lathe_runtime lathe_engine lathe_cuda lathe_cpu lathe_device lathe_ops)
target_link_options(lathe_runtime_shared PRIVATE -Wl,--exclude-libs,ALL -Wl,--gc-sections)

foreach(library lathe_shared lathe_runtime_shared)
  # Of an archive, whose symbols are hidden, these would not be seen: what lathe/status.h declares.
  target_sources(${library} PRIVATE ${PROJECT_SOURCE_DIR}/src/base/status.cpp)
  target_include_directories(${library} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                  $<INSTALL_INTERFACE:include>)
  target_compile_features(${library} INTERFACE cxx_std_20)
endforeach()
