# The public API, and the two shared libraries: lathe (all) and lathe-runtime (runs engines; no
# protobuf, importer, passes or compiler in it).
lathe_module(api api DEPENDS runtime compiler tuner engine cuda_compile cuda cpu device passes onnx graph ops tensor base)
target_compile_definitions(lathe_api PUBLIC LATHE_VERSION="${PROJECT_VERSION}")
