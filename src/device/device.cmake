lathe_module(device device DEPENDS ops tensor base)
