lathe_module(tuner tuner DEPENDS engine device ops tensor base)
