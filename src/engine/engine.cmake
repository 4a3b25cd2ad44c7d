# The engine file's structure section is FlatBuffers: flatc makes the accessors at build time.
set(engine_fb ${PROJECT_BINARY_DIR}/generated/engine/engine_generated.h)
add_custom_command(OUTPUT ${engine_fb}
  COMMAND ${FLATC} --cpp --scoped-enums -o ${PROJECT_BINARY_DIR}/generated/engine ${CMAKE_CURRENT_SOURCE_DIR}/engine/engine.fbs
  DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/engine/engine.fbs VERBATIM)
add_custom_target(engine_schema DEPENDS ${engine_fb})
lathe_module(engine engine COLD TOGETHER 4 DEPENDS device ops tensor base)
add_dependencies(lathe_engine engine_schema)
