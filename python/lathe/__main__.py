# SPDX-License-Identifier: Apache-2.0
"""`python -m lathe` is the `lathe` command."""
from ._command import main

main()
