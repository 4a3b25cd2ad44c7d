# SPDX-License-Identifier: Apache-2.0
"""Calibrators. Programs derive from them; a build that is given one is refused until Lathe
quantizes by itself."""
from .enums import CalibrationAlgoType, QuantizationFlag

REFUSAL = ("calibration is not there yet: give a model with QuantizeLinear and DequantizeLinear, "
           "or build with FP16 or BF16")


class IInt8Calibrator:
    """Batches of input data, and a cache of what was found in them."""

    _ALGORITHM = CalibrationAlgoType.ENTROPY_CALIBRATION_2

    def __init__(self):
        pass

    def get_algorithm(self):
        """How ranges are found."""
        return self._ALGORITHM

    def get_batch_size(self):
        """Rows of a batch."""
        raise NotImplementedError("a calibrator defines get_batch_size(self)")

    def get_batch(self, names):
        """Device addresses of a batch of the inputs `names`, or None at the end."""
        raise NotImplementedError("a calibrator defines get_batch(self, names)")

    def read_calibration_cache(self):
        """The cache's bytes, or None."""
        return None

    def write_calibration_cache(self, cache):
        """Receives the cache."""


class IInt8LegacyCalibrator(IInt8Calibrator):
    """Percentiles."""

    _ALGORITHM = CalibrationAlgoType.LEGACY_CALIBRATION


class IInt8EntropyCalibrator(IInt8Calibrator):
    """Entropy."""

    _ALGORITHM = CalibrationAlgoType.ENTROPY_CALIBRATION


class IInt8EntropyCalibrator2(IInt8Calibrator):
    """Entropy, per tensor."""


class IInt8MinMaxCalibrator(IInt8Calibrator):
    """Extremes."""

    _ALGORITHM = CalibrationAlgoType.MINMAX_CALIBRATION


# A build refuses what these are for.
for _owner in (IInt8Calibrator, CalibrationAlgoType, QuantizationFlag):
    _owner.lathe_refused = REFUSAL
