# SPDX-License-Identifier: Apache-2.0
"""Plans whose hash is right and whose contents are not: refused or harmless, never an exception."""
import hashlib
import json

import numpy as np
import pytest

import lathe.trt as trt
from lathe.trt import plan as plans
from trt_nets import Recorder, plan_of, random


def rich_plan(*flags):
    """A plan with formats, a debug tensor, metadata, an assertion and what the flags add."""
    def define(network, t, few):
        less_than(network, few, 9).metadata = "few"
        t.allowed_formats = 1 << int(trt.TensorFormat.CHW4)
        conv = network.add_convolution_nd(t, 4, (3, 3), random(4, 3, 3, 3)).get_output(0)
        network.mark_debug(conv)
        return network.add_activation(conv, trt.ActivationType.RELU)

    data, logger = plan_of(define, {"x": (trt.float32, (-1, 3, 6, 6)), "few": (trt.float32, (-1,))},
                           flags=flags, profile={"x": ((1, 3, 6, 6), (1, 3, 6, 6), (2, 3, 6, 6)),
                                                 "few": ((1,), (2,), (20,))})
    assert data is not None, logger.errors
    _, _, length = plans._FIXED.unpack_from(data)
    body = bytes(data)[plans._FIXED.size:]
    return json.loads(body[:length]), body[length:]


def less_than(network, tensor, most):
    """An assertion that a vector has fewer elements."""
    limit = network.add_constant((1,), np.array([most], np.int64)).get_output(0)
    size = network.add_shape(tensor).get_output(0)
    less = network.add_elementwise(size, limit, trt.ElementWiseOperation.LESS)
    return network.add_assertion(less.get_output(0), "too many")


def sealed(head, rest):
    """The plan again, with its hash."""
    text = json.dumps(head, sort_keys=True).encode()
    digest = hashlib.sha256(text + rest).digest()
    return plans._FIXED.pack(plans.MAGIC, digest, len(text)) + text + rest


def places(value, path=()):
    """Paths to everything in a JSON value but itself."""
    inner = (value.items() if isinstance(value, dict) else enumerate(value)
             if isinstance(value, list) else ())
    for key, item in inner:
        yield (*path, key)
        yield from places(item, (*path, key))


def changed(head, path, value):
    """A copy with another value in a place; KeyError as the value: without it."""
    copy = json.loads(json.dumps(head))
    owner = copy
    for key in path[:-1]:
        owner = owner[key]
    if value is KeyError:
        del owner[path[-1]]
    else:
        owner[path[-1]] = value
    return copy


def used(data):
    """Whether the plan was read; what it says is asked for."""
    logger = Recorder()
    engine = trt.Runtime(logger).deserialize_cuda_engine(data)
    if engine is None:
        assert logger.errors
        return False
    for name in engine:
        engine.get_tensor_shape(name)
        engine.get_tensor_format_desc(name)
    engine.get_engine_stat(trt.EngineStat.TOTAL_WEIGHTS_SIZE)
    context = engine.create_execution_context()
    if context is not None and "few" in engine:
        context.set_input_shape("few", (2,))
        context.set_input_shape("x", (1, 3, 6, 6))
        assert not context.execute_async_v3(0)  # no addresses are set
    if engine.refittable:
        refitter = trt.Refitter(engine, logger)
        refitter.get_missing()
        for name in refitter.get_missing_weights():
            known = refitter.get_weights_prototype(name)
            if known.size < 1000:
                refitter.set_named_weights(name, np.zeros(known.size, trt.nptype(known.dtype)))
        refitter.refit_cuda_engine()
    return True


@pytest.mark.parametrize("flags", [(), (trt.BuilderFlag.STRIP_PLAN,)])
def test_no_change_of_a_plan_raises(flags):
    head, rest = rich_plan(*flags)
    assert used(sealed(head, rest))
    spoilt = [None, -1, "q", [1], {"a": 1}, 1.5, KeyError]
    refused = 0
    for number, path in enumerate(places(head)):
        # Two values a place: all of them take a minute.
        for value in (spoilt[number % 7], spoilt[(number + 3) % 7]):
            refused += not used(sealed(changed(head, path, value), rest))
    assert refused > 20
