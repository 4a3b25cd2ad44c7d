# SPDX-License-Identifier: Apache-2.0
"""cuda.bindings.driver, which was cuda.cuda."""
from ..cuda import *  # noqa: F401,F403
