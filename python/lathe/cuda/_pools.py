# SPDX-License-Identifier: Apache-2.0
"""What describes a memory pool of the runtime's."""
import enum
import types


class cudaMemAllocationType(enum.IntEnum):
    cudaMemAllocationTypeInvalid = 0
    cudaMemAllocationTypePinned = 1


class cudaMemAllocationHandleType(enum.IntEnum):
    cudaMemHandleTypeNone = 0


class cudaMemLocationType(enum.IntEnum):
    cudaMemLocationTypeInvalid = 0
    cudaMemLocationTypeDevice = 1


class cudaMemPoolAttr(enum.IntEnum):
    cudaMemPoolReuseFollowEventDependencies = 1
    cudaMemPoolReuseAllowOpportunistic = 2
    cudaMemPoolReuseAllowInternalDependencies = 3
    cudaMemPoolAttrReleaseThreshold = 4


class cudaMemPoolProps:
    """What cudaMemPoolCreate makes: pinned memory of the device `location.id`."""

    def __init__(self):
        self.allocType = cudaMemAllocationType.cudaMemAllocationTypeInvalid
        self.handleTypes = cudaMemAllocationHandleType.cudaMemHandleTypeNone
        self.location = types.SimpleNamespace(
            type=cudaMemLocationType.cudaMemLocationTypeInvalid, id=0)
