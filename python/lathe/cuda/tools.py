# SPDX-License-Identifier: Apache-2.0
"""pycuda.tools: the default context."""
from . import driver


def make_default_context(ctx_maker=None):
    if ctx_maker is not None:
        return ctx_maker(driver.Device(0))
    return driver.Device(0).make_context()


def get_default_device(default=0):
    return driver.Device(default)


def clear_context_caches():
    """Nothing: there are none."""
