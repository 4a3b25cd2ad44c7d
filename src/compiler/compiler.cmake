lathe_module(compiler compiler COLD TOGETHER 4 DEPENDS runtime passes tuner engine device graph ops tensor base)
