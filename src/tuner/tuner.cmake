lathe_module(tuner tuner TOGETHER 4 DEPENDS engine device ops tensor base)
