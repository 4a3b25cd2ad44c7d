# SPDX-License-Identifier: Apache-2.0
# A build that is watched, one that is cancelled, and a plan that goes through a stream writer.
# Reads model.onnx.
import lathe.trt as trt

LOGGER = trt.Logger(trt.Logger.ERROR)


class Monitor(trt.IProgressMonitor):
    def __init__(self, cancel=False):
        trt.IProgressMonitor.__init__(self)
        self.active, self.finished, self.steps, self.cancel = [], [], 0, cancel

    def phase_start(self, phase_name, parent_phase, num_steps):
        assert parent_phase is None or parent_phase in self.active
        assert num_steps > 0
        self.active.append(phase_name)

    def step_complete(self, phase_name, step):
        assert phase_name in self.active
        self.steps += 1
        return not self.cancel

    def phase_finish(self, phase_name):
        self.active.remove(phase_name)
        self.finished.append(phase_name)


class Writer(trt.IStreamWriter):
    def __init__(self):
        trt.IStreamWriter.__init__(self)
        self.written = bytes()

    def write(self, data):
        self.written += bytes(data)
        return len(data)


def prepare(monitor):
    builder = trt.Builder(LOGGER)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, LOGGER)
    assert parser.parse_from_file("model.onnx")
    config = builder.create_builder_config()
    config.progress_monitor = monitor
    return builder, network, config


monitor, writer = Monitor(), Writer()
builder, network, config = prepare(monitor)
assert builder.build_serialized_network_to_stream(network, config, writer)
assert monitor.steps > 0 and monitor.finished and not monitor.active
engine = trt.Runtime(LOGGER).deserialize_cuda_engine(writer.written)
assert engine is not None and engine.num_io_tensors == 2

builder, network, config = prepare(Monitor(cancel=True))
assert builder.build_serialized_network(network, config) is None
print("watched, cancelled, streamed")
