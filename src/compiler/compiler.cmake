lathe_module(compiler compiler DEPENDS passes tuner engine device graph ops tensor base)
