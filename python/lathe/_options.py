# SPDX-License-Identifier: Apache-2.0
"""What `lathe.build` is given, as the C++ API takes it."""
import os

from . import _core
from .errors import InputError, MissingFileError

VERIFY = {"off": _core.VerifyMode.off, "sample": _core.VerifyMode.sample,
          "full": _core.VerifyMode.full}


def sizes(shape, name):
    """One shape as a list of sizes: "1x3x224x224", or integers."""
    try:
        if isinstance(shape, str):
            return [int(s) for s in shape.split("x")] if shape else []
        return [int(s.__index__()) for s in shape]
    except (ValueError, TypeError, AttributeError):
        raise InputError(f"shape of '{name}': {shape!r} is given, expected \"1x3x224x224\" or "
                         "(1, 3, 224, 224)") from None


def shape_range(spec, name):
    """min, opt, max of one input: one shape, or a tuple of up to three."""
    if isinstance(spec, str) or all(hasattr(s, "__index__") for s in spec):
        return [sizes(spec, name)]
    return [sizes(s, name) for s in spec]


def shape_ranges(shapes, model):
    """The shapes of each input by name; a bare shape is that of the only input."""
    if shapes is None:
        return {}
    if not hasattr(shapes, "items"):
        names = [port.name for port in model.inputs()]
        if len(names) != 1:
            raise InputError(f"shapes: a dictionary is expected, the network has the inputs "
                             f"{', '.join(names)}")
        shapes = {names[0]: shapes}
    return {name: shape_range(spec, name) for name, spec in shapes.items()}


def verify_mode(verify):
    """Of "off", "sample", "full", True or False."""
    name = {True: "sample", False: "off"}.get(verify, verify)
    if name not in VERIFY:
        raise InputError(f'verify: {verify!r} is given, expected "off", "sample" or "full"')
    return VERIFY[name]


def cache_file(cache):
    """The C++ API's text for a timing cache: None is the user's own, False none."""
    if cache is None or cache is False:
        return "" if cache is None else "none"
    path = os.fspath(cache)
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise MissingFileError(f"timing_cache: {path}: there is no folder '{folder}'")
    return path


def settings(model, options):
    """BuildOptions from the keyword arguments of `lathe.build`."""
    result = _core.BuildOptions()
    result.shapes = shape_ranges(options.pop("shapes"), model)
    result.verify = verify_mode(options.pop("verify"))
    result.timing_cache = cache_file(options.pop("timing_cache"))
    for ours, theirs in (("workspace", "workspace_bytes"), ("memory", "memory_budget_bytes")):
        value = options.pop(ours)
        setattr(result, theirs, -1 if value is None else value)
    result.disabled_passes = list(options.pop("disabled_passes"))
    for name, value in options.items():
        setattr(result, name, value)
    return result
