lathe_module(compiler compiler DEPENDS runtime passes tuner engine device graph ops tensor base)
