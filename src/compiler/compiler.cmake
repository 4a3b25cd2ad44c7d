lathe_module(compiler compiler COLD DEPENDS runtime passes tuner engine device graph ops tensor base)
