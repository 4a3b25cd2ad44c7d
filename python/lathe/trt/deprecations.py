# SPDX-License-Identifier: Apache-2.0
"""What 10.16 deprecates of the names that Lathe supports: they work, and warn where they are used.
Of some settings only assigning warns."""
import functools
import inspect

from .support import deprecated

_TYPING = "superseded by strong typing: NetworkDefinitionCreationFlag.STRONGLY_TYPED"
_QUANTIZATION = "superseded by explicit quantization: add_quantize and add_dequantize"
_BATCH = "networks have no implicit batch dimension"

# class: {name: what to use instead}
_DEPRECATED = {
    "ICudaEngine": {"has_implicit_batch_dimension": _BATCH,
                    "weight_streaming_budget": "use weight_streaming_budget_v2",
                    "minimum_weight_streaming_budget": "there is no minimum"},
    "INetworkDefinition": {"has_implicit_batch_dimension": _BATCH},
    "ITensor": {"dynamic_range": _QUANTIZATION, "set_dynamic_range": _QUANTIZATION,
                "reset_dynamic_range": _QUANTIZATION},
    "ILayer": {"precision_is_set": _TYPING, "reset_precision": _TYPING, "set_output_type": _TYPING,
               "output_type_is_set": _TYPING, "reset_output_type": _TYPING},
    "IBuilderConfig": {"set_calibration_profile": _QUANTIZATION,
                       "get_calibration_profile": _QUANTIZATION},
    "Refitter": {"get_dynamic_range": _QUANTIZATION, "set_dynamic_range": _QUANTIZATION,
                 "get_tensors_with_dynamic_range": _QUANTIZATION},
}
_DEPRECATED_TO_SET = {
    "ITensor": {"dtype": _TYPING},
    "ILayer": {"precision": _TYPING},
    "IBuilderConfig": {"int8_calibrator": _QUANTIZATION,
                       "algorithm_selector": "use an editable timing cache"},
}


class _Warning(property):
    """A property that warns and is otherwise as it was."""

    def __init__(self, of, fget, fset):
        super().__init__(fget, fset, doc=of.__doc__)
        self.__dict__.update(getattr(of, "__dict__", {}))


def _warns(function, name, cure):
    @functools.wraps(function)
    def call(*args, **named):
        deprecated(f"{name} is deprecated: {cure}")
        return function(*args, **named)

    return call


def install(namespace):
    """Wraps the members of the classes in `namespace`, once."""
    for table, getters in ((_DEPRECATED, True), (_DEPRECATED_TO_SET, False)):
        for kind, members in table.items():
            for name, cure in members.items():
                _wrap(namespace[kind], name, cure, getters)


def _wrap(kind, name, cure, getters):
    member = inspect.getattr_static(kind, name)
    if not isinstance(member, property):
        setattr(kind, name, _warns(member, name, cure))
        return
    read = _warns(member.fget, name, cure) if getters else member.fget
    write = None if member.fset is None else _warns(member.fset, name, cure)
    setattr(kind, name, _Warning(member, read, write))
