# The public API, and the two shared libraries: lathe (all) and lathe-runtime (runs engines; no
# protobuf, importer, passes or compiler in it).
lathe_module(api api DEPENDS runtime compiler tuner engine cuda_compile cuda cpu device passes onnx graph ops tensor base)
target_compile_definitions(lathe_api PUBLIC LATHE_VERSION="${PROJECT_VERSION}")
add_library(lathe_shared SHARED $<TARGET_OBJECTS:lathe_api>)
set_target_properties(lathe_shared PROPERTIES OUTPUT_NAME lathe VERSION ${PROJECT_VERSION} SOVERSION 0 LINKER_LANGUAGE CXX)
target_link_libraries(lathe_shared PRIVATE lathe_api)
target_link_options(lathe_shared PRIVATE -Wl,--exclude-libs,ALL -Wl,--gc-sections)
target_include_directories(lathe_shared INTERFACE ${PROJECT_SOURCE_DIR}/include)
add_library(lathe ALIAS lathe_shared)
