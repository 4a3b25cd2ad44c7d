lathe_module(runtime runtime DEPENDS engine device ops tensor base)
