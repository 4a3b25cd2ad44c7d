# lathe/lib/cudart/libcudart.so: see cudart_host.cpp. A folder of its own, for the library path.
add_library(cudart_host SHARED ${CMAKE_CURRENT_LIST_DIR}/cudart_host.cpp)
set_target_properties(cudart_host PROPERTIES
  OUTPUT_NAME cudart CXX_VISIBILITY_PRESET hidden
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/cudart)
target_compile_options(cudart_host PRIVATE -Wall -Wextra -Werror -fno-exceptions -fno-rtti)
target_link_options(cudart_host PRIVATE -Wl,--as-needed -Wl,-soname,libcudart.so)
install(TARGETS cudart_host LIBRARY DESTINATION lathe/lib/cudart COMPONENT python)
