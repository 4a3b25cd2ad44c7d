# SPDX-License-Identifier: Apache-2.0
"""A folder for PYTHONPATH: its sitecustomize installs the redirection in each Python process."""
