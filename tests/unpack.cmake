# Unpacks ARCHIVE into FOLDER unless that was done since the archive changed.
set(stamp ${FOLDER}.stamp)
if(EXISTS ${stamp} AND NOT ${ARCHIVE} IS_NEWER_THAN ${stamp})
  return()
endif()
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})
execute_process(COMMAND ${CMAKE_COMMAND} -E tar xf ${ARCHIVE} WORKING_DIRECTORY ${FOLDER}
                COMMAND_ERROR_IS_FATAL ANY)
file(TOUCH ${stamp})
