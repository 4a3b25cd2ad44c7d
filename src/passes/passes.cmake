# The optimizer: pipeline.def lists the passes, everything else here is named as framework.
lathe_manifest(passes/pipeline.def passes FRAMEWORK run_passes match term affine movement)
lathe_module(passes passes COLD TOGETHER 6 DEPENDS graph ops tensor base)
