# The CUDA backend, and NVRTC's library beside it. Nothing of CUDA is needed here: .cu files are C++
# to the host compiler, and their device halves are embedded as text.
lathe_manifest(backends/cuda/tactics.def backends/cuda/tactics EXTENSIONS cu cpp)
lathe_module(cuda backends/cuda COLD DEPENDS device ops tensor base LIBRARIES ${CMAKE_DL_LIBS}
             SUBFOLDERS api tactics)
set(cuda_folder ${CMAKE_CURRENT_SOURCE_DIR}/backends/cuda)
file(GLOB cuda_tactics CONFIGURE_DEPENDS ${cuda_folder}/tactics/*.cu)
file(GLOB cuda_shared CONFIGURE_DEPENDS ${cuda_folder}/kernels/*.cuh)
set_source_files_properties(${cuda_tactics} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-xc++")
set(cuda_texts ${PROJECT_BINARY_DIR}/generated/backends/cuda/device_text.cpp)
add_custom_command(
  OUTPUT ${cuda_texts}
  COMMAND ${CMAKE_COMMAND} -D OUTPUT=${cuda_texts} -D "FILES=${cuda_shared};${cuda_tactics}"
          -P ${cuda_folder}/embed_kernels.cmake
  DEPENDS ${cuda_tactics} ${cuda_shared} ${cuda_folder}/embed_kernels.cmake
  VERBATIM)
target_sources(lathe_cuda PRIVATE ${cuda_tactics} ${cuda_texts})

lathe_module(cuda_compile backends/cuda/compile DEPENDS cuda device base)

# Where the toolkit's headers are, our declarations are compared with them.
find_path(LATHE_CUDA_INCLUDE NAMES cuda.h HINTS ENV CUDA_HOME ENV CUDA_PATH
          PATHS /usr/local/cuda PATH_SUFFIXES include)
if(LATHE_CUDA_INCLUDE AND EXISTS ${LATHE_CUDA_INCLUDE}/nvrtc.h
   AND EXISTS ${LATHE_CUDA_INCLUDE}/cublasLt.h AND EXISTS ${LATHE_CUDA_INCLUDE}/cudnn.h)
  add_library(cuda_headers_check OBJECT ${cuda_folder}/api/check/headers_check.cpp)
  target_include_directories(cuda_headers_check PRIVATE ${PROJECT_SOURCE_DIR}/src
                                                        ${PROJECT_SOURCE_DIR}/include)
  target_include_directories(cuda_headers_check SYSTEM PRIVATE ${LATHE_CUDA_INCLUDE})
  target_link_libraries(cuda_headers_check PRIVATE fmt::fmt)
endif()
