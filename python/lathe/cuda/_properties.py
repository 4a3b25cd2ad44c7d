# SPDX-License-Identifier: Apache-2.0
"""cudaDeviceProp: what cudaGetDeviceProperties tells of a device."""
from ._enums import attribute

# name of the field: number of the attribute
_FIELDS = {
    "sharedMemPerBlock": 8, "regsPerBlock": 12, "warpSize": 10, "maxThreadsPerBlock": 1,
    "clockRate": 13, "totalConstMem": 9, "multiProcessorCount": 16, "integrated": 18,
    "canMapHostMemory": 19, "concurrentKernels": 31, "ECCEnabled": 32, "pciBusID": 33,
    "pciDeviceID": 34, "memoryClockRate": 36, "memoryBusWidth": 37, "l2CacheSize": 38,
    "maxThreadsPerMultiProcessor": 39, "asyncEngineCount": 40, "unifiedAddressing": 41,
    "sharedMemPerMultiprocessor": 81, "regsPerMultiprocessor": 82, "managedMemory": 83,
    "sharedMemPerBlockOptin": 97,
}


class cudaDeviceProp:
    """Fields as CUDA names them; `name` is bytes. The CPU's have compute capability 0.0."""

    def __repr__(self):
        return "\n".join(f"{k} : {v}" for k, v in vars(self).items())


def device_properties(device):
    result = cudaDeviceProp()
    facts = device.properties
    result.name = facts.name.encode()
    result.totalGlobalMem = facts.total_bytes
    result.major, result.minor = facts.compute_major, facts.compute_minor
    result.maxThreadsDim = [attribute(device, n) for n in (2, 3, 4)]
    result.maxGridSize = [attribute(device, n) for n in (5, 6, 7)]
    for name, number in _FIELDS.items():
        setattr(result, name, attribute(device, number))
    return result
