lathe_module(cpu backends/cpu DEPENDS device ops tensor base LIBRARIES DNNL::dnnl hwy::hwy OpenMP::OpenMP_CXX
             SUBFOLDERS tactics gemm simd dnnl)
lathe_manifest(backends/cpu/tactics.def backends/cpu/tactics)
