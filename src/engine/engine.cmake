lathe_module(engine engine DEPENDS device ops tensor base)
