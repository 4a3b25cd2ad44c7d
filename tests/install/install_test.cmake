# cmake -DBUILD=... -DSOURCE=... -DWORK=... -DPYTHON=... -P install_test.cmake: installs, then configures, builds
# and runs a client of the installed package; lathe-runtime must not need protobuf.
set(prefix ${WORK}/prefix)
file(REMOVE_RECURSE ${WORK})
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
run(${CMAKE_COMMAND} -S ${SOURCE}/tests/install/client -B ${WORK}/client -G Ninja
    -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${CXX})
run(${CMAKE_COMMAND} --build ${WORK}/client)
run(${WORK}/client/builds ${SOURCE}/examples/models/digits.onnx ${WORK}/digits.engine)
run(${WORK}/client/runs ${WORK}/digits.engine)
run(${prefix}/bin/lathe inspect ${WORK}/digits.engine)

# The sample plugin, built against the installed header alone, and an engine that needs it.
run(${CMAKE_COMMAND} -S ${SOURCE}/examples/plugin_cpp -B ${WORK}/plugin -G Ninja
    -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${CXX})
run(${CMAKE_COMMAND} --build ${WORK}/plugin)
run(${PYTHON} -B ${SOURCE}/tests/custom/onnx_bytes.py ${WORK}/snake.onnx)
run(${prefix}/bin/lathe build ${WORK}/snake.onnx --plugin ${WORK}/plugin/libsnake.so --no-tune
    --timing-cache none -o ${WORK}/snake.engine)
run(${prefix}/bin/lathe inspect ${WORK}/snake.engine --plugin ${WORK}/plugin/libsnake.so)

file(GLOB_RECURSE runtime ${prefix}/liblathe-runtime.so)
execute_process(COMMAND readelf -d ${runtime} OUTPUT_VARIABLE needed COMMAND_ERROR_IS_FATAL ANY)
if(needed MATCHES "protobuf")
  message(FATAL_ERROR "lathe-runtime needs protobuf:\n${needed}")
endif()
