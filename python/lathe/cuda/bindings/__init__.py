# SPDX-License-Identifier: Apache-2.0
"""cuda.bindings: `runtime`, `driver`, and of `nvrtc` its errors."""
__version__ = "12.9.0"
