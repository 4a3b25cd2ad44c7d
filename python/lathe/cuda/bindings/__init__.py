# SPDX-License-Identifier: Apache-2.0
"""cuda.bindings: `runtime` and `driver`."""
__version__ = "12.9.0"
