# SPDX-License-Identifier: Apache-2.0
"""What all interface classes share: `with`, refusal of attributes that they do not have, and the
description of an interface that a program implements."""
from .enums import APILanguage
from .names import PublicNames, public_names
from .support import deprecated


class Interface(metaclass=PublicNames):
    """Base of the API's objects. Assigning an attribute that the class lacks is an AttributeError,
    so that a program written for another version learns that its setting did nothing."""

    def __setattr__(self, name, value):
        if not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute '{name}'")
        object.__setattr__(self, name, value)

    def __dir__(self):
        """The API's names."""
        return public_names(super().__dir__())


class Managed(Interface):
    """An Interface that is also a context manager, which does nothing but warn."""

    def __enter__(self):
        deprecated("Context managers for TensorRT types are deprecated. Memory will be freed "
                   "automatically when the reference count reaches 0.")
        return self

    def __exit__(self, kind, value, traceback):
        return None


class InterfaceInfo:
    """Kind and version of an interface that programs implement."""

    def __init__(self, kind="", major=1, minor=0):
        self.kind, self.major, self.minor = kind, major, minor


class IVersionedInterface:
    """Base of interfaces that programs implement."""

    @property
    def api_language(self):
        """Always Python."""
        return APILanguage.PYTHON

    @property
    def interface_info(self):
        """Kind and version."""
        return InterfaceInfo(type(self).__name__)
