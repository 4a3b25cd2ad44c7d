# The importer: protoc's output, the framework and one file for each operator or tight family.
set(LATHE_PROTO_DIR ${PROJECT_BINARY_DIR}/generated/onnx)
set(LATHE_PROTO_OUT ${LATHE_PROTO_DIR}/onnx.pb.cc ${LATHE_PROTO_DIR}/onnx.pb.h)
file(MAKE_DIRECTORY ${LATHE_PROTO_DIR})
add_custom_command(
  OUTPUT ${LATHE_PROTO_OUT}
  COMMAND protobuf::protoc --cpp_out=${LATHE_PROTO_DIR} -I${CMAKE_CURRENT_SOURCE_DIR}/onnx
          ${CMAKE_CURRENT_SOURCE_DIR}/onnx/onnx.proto
  DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/onnx/onnx.proto
  VERBATIM)
lathe_manifest(onnx/importers.def onnx/importers)
lathe_module(onnx onnx COLD TOGETHER 6 DEPENDS graph ops tensor base
             LIBRARIES protobuf::libprotobuf-lite SUBFOLDERS importers)
target_sources(lathe_onnx PRIVATE ${LATHE_PROTO_OUT})
set_source_files_properties(${LATHE_PROTO_OUT} PROPERTIES COMPILE_OPTIONS "-w")
