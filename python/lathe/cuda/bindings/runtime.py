# SPDX-License-Identifier: Apache-2.0
"""cuda.bindings.runtime, which was cuda.cudart."""
from ..cudart import *  # noqa: F401,F403
