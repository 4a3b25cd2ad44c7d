lathe_module(runtime runtime TOGETHER 2 DEPENDS engine device ops tensor base)
