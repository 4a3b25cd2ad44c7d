# SPDX-License-Identifier: Apache-2.0
"""What dir() shows of the API's classes and objects: programs print every attribute that they find,
and take it for TensorRT's."""


def public_names(names):
    """Those of the API."""
    return [n for n in names if n.startswith("__") or not n.startswith("_") and not n.isupper()]


class PublicNames(type):
    """A metaclass of classes whose dir() has the API's names alone."""

    def __dir__(cls):
        return public_names(super().__dir__())
