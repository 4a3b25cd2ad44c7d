# SPDX-License-Identifier: Apache-2.0
"""pycuda.autoinit: a context on the default device, current from now on."""
from . import driver

driver.init()
device = driver.Device(0)
context = device.make_context()
