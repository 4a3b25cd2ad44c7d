# SPDX-License-Identifier: Apache-2.0
"""Algorithm selectors: accepted with a warning; Lathe's choice is steered by its timing cache."""


class IAlgorithmIOInfo:
    """Formats of one operand of an algorithm."""

    dtype = property(lambda self: None)
    strides = property(lambda self: ())
    vectorized_dim = property(lambda self: -1)
    components_per_element = property(lambda self: 1)


class IAlgorithmVariant:
    """Names an algorithm."""

    implementation = property(lambda self: 0)
    tactic = property(lambda self: 0)


class IAlgorithmContext:
    """The layer that algorithms are for."""

    name = property(lambda self: "")
    num_inputs = property(lambda self: 0)
    num_outputs = property(lambda self: 0)

    def get_shape(self, index):
        """Shapes of an operand."""
        return []


class IAlgorithm:
    """One way to compute a layer."""

    algorithm_variant = property(lambda self: IAlgorithmVariant())
    timing_msec = property(lambda self: 0.0)
    workspace_size = property(lambda self: 0)

    def get_algorithm_io_info(self, index):
        """Formats of an operand."""
        return IAlgorithmIOInfo()


class IAlgorithmSelector:
    """Derive from it and define select_algorithms and report_algorithms."""

    def __init__(self):
        pass

    def select_algorithms(self, context, choices):
        """Indices of the choices that may be used."""
        return list(range(len(choices)))

    def report_algorithms(self, contexts, choices):
        """Receives what was chosen."""
