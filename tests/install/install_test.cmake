# cmake -DBUILD=... -DSOURCE=... -DWORK=... -P install_test.cmake: installs, then configures, builds
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
file(GLOB_RECURSE runtime ${prefix}/liblathe-runtime.so)
execute_process(COMMAND readelf -d ${runtime} OUTPUT_VARIABLE needed COMMAND_ERROR_IS_FATAL ANY)
if(needed MATCHES "protobuf")
  message(FATAL_ERROR "lathe-runtime needs protobuf:\n${needed}")
endif()
