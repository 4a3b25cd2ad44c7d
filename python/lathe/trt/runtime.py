# SPDX-License-Identifier: Apache-2.0
"""Runtime: plans become engines. A plan that cannot be read is reported, and gives None."""
from ..errors import Error
from . import plan
from .engine import ICudaEngine
from .enums import ErrorCodeTRT, Severity, TempfileControlFlag
from .interface import Managed
from .logger import check_logger
from .memory import read_all
from .observers import record
from .plugins import get_plugin_registry
from .support import CUSTOM_OPERATORS, Accepted, Setting, refused

_ALL_TEMPFILES = sum(1 << int(flag) for flag in TempfileControlFlag)


class Runtime(Managed):
    """Made with a logger; engines keep it alive."""

    DLA_core = Accepted(-1, "there is no DLA; everything runs on the engine's device", int)
    gpu_allocator = Setting(None, "an IGpuAllocator that contexts have their memory from")
    error_recorder = Setting(None, "told of errors too")
    max_threads = Setting(1, "kept; reading an engine takes one", int)
    temporary_directory = Setting("/tmp", "kept; engines need no temporary files", str)
    tempfile_control_flags = Setting(_ALL_TEMPFILES, "kept; engines need no temporary files", int)
    engine_host_code_allowed = Setting(False, "kept; engines hold no host code", bool)

    _engine_class = ICudaEngine

    def __init__(self, logger):
        self._logger = check_logger(logger)

    logger = property(lambda self: self._logger, doc="the logger")
    num_DLA_cores = property(lambda self: 0, doc="0")  # noqa: N815

    def deserialize_cuda_engine(self, serialized_engine=None, **named):
        """An engine of bytes, bytearray, memoryview, IHostMemory or a stream reader, or None."""
        source = serialized_engine
        for other in ("stream_reader", "stream_reader_v2"):
            source = named.get(other, source)
        try:
            engine = self._engine_class(self, plan.read(read_all(source)))
            engine.error_recorder = self.error_recorder
            return engine
        except Error as error:
            self._logger.log(Severity.ERROR, f"deserialize_cuda_engine: {error}")
            record(str(error), ErrorCodeTRT.INVALID_ARGUMENT, self)
            return None

    def get_plugin_registry(self):
        """The registry."""
        return get_plugin_registry()

    @refused(f"engines of Lathe carry no runtime of their own; {CUSTOM_OPERATORS}")
    def load_runtime(self, path):
        """Refused."""
