# SPDX-License-Identifier: Apache-2.0
"""Algorithm selectors choose what an engine computes with."""
from collections import namedtuple

import numpy as np
import pytest

import lathe.trt as trt
from lathe.trt import algorithms
from test_trt_engine import convnet, expected
from trt_nets import Recorder, random, run_engine


class Selector(trt.IAlgorithmSelector):
    """Chooses by `pick(context, choices)` and keeps what it saw."""

    def __init__(self, pick):
        trt.IAlgorithmSelector.__init__(self)
        self.pick, self.asked, self.reported = pick, [], []

    def select_algorithms(self, context, choices):
        chosen = self.pick(context, choices)
        self.asked.append((context, choices, chosen))
        return chosen

    def report_algorithms(self, contexts, choices):
        self.reported = list(zip(contexts, choices))


def built(selector, flags=(), edit=None):
    """(plan, logger) of a tuned convolution under a selector."""
    model, w = convnet()
    logger = Recorder()
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    assert trt.OnnxParser(network, logger).parse(model)
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    if edit:
        edit(network, config, builder)
    else:
        network.get_input(0).shape = (1, 3, 16, 16)
    config.set_timing_cache(config.create_timing_cache(b""), False)
    config.algorithm_selector = selector
    for flag in flags:
        config.set_flag(flag)
    return builder.build_serialized_network(network, config), logger, w, config


def name(algorithm):
    variant = algorithm.algorithm_variant
    return variant.implementation, variant.tactic


def check(selector, dynamic):
    """What was chosen is in the engine, which is still right."""
    def edit(network, config, builder):
        profile = builder.create_optimization_profile()
        profile.set_shape("x", (1, 3, 8, 8), (2, 3, 16, 16), (4, 3, 16, 20))
        config.add_optimization_profile(profile)

    plan, logger, w, _ = built(selector, edit=edit if dynamic else None)
    assert plan is not None, logger.errors
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    x = random(2 if dynamic else 1, 3, 16, 16)
    np.testing.assert_allclose(run_engine(engine, {"x": x})["y"], expected(x, w), rtol=1e-4,
                               atol=1e-4)
    chosen = {}
    for context, choices, indices in selector.asked:
        names = {name(choices[k]) for k in indices or range(len(choices))}
        chosen.setdefault((context.name, *context.get_shape(0)[1]), set()).update(names)
    for context, algorithm in selector.reported:
        # Steps of one operation are asked once, under the first one's name.
        found = chosen.get((context.name, *context.get_shape(0)[1]))
        assert found is None or name(algorithm) in found
    return chosen


@pytest.mark.parametrize("dynamic", [False, True])
def test_the_slowest_choice_is_taken_where_it_is_asked_for(dynamic):
    selector = Selector(lambda context, choices: [len(choices) - 1])
    chosen = check(selector, dynamic)
    assert any("conv" in key[0] for key in chosen)
    assert any(len(choices) > 1 for _, choices, _ in selector.asked)
    assert any("conv" in context.name for context, _ in selector.reported)
    for context, choices, _ in selector.asked:
        times = [choice.timing_msec for choice in choices]
        assert times == sorted(times) and times[0] > 0
        assert context.num_inputs >= 1 and context.num_outputs == 1
        info = choices[0].get_algorithm_io_info(0)
        assert info.dtype == trt.float32 and len(info.strides) == len(context.get_shape(0)[1])


def test_all_choices_change_nothing_and_no_choice_is_lathes():
    for pick in (lambda context, choices: range(len(choices)), lambda context, choices: []):
        check(Selector(pick), False)


def test_an_empty_selection_fails_the_build_where_it_is_told_to():
    plan, logger, _, config = built(Selector(lambda context, choices: []),
                                    [trt.BuilderFlag.REJECT_EMPTY_ALGORITHMS])
    assert plan is None and "REJECT_EMPTY_ALGORITHMS" in logger.errors[-1]
    plan, logger, _, config = built(Selector(lambda context, choices: [99]))
    assert plan is None and "chose 99 of" in logger.errors[-1]


def test_a_selector_that_raises_fails_the_build():
    def raises(context, choices):
        raise KeyError("not recorded")

    plan, logger, _, _ = built(Selector(raises))
    assert plan is None and "algorithm selector failed: KeyError" in logger.errors[-1]


def test_steps_that_were_not_measured_have_one_choice():
    def edit(network, config, builder):
        network.get_input(0).shape = (1, 3, 16, 16)
        config.builder_optimization_level = 0

    selector = Selector(lambda context, choices: [0])
    plan, logger, _, _ = built(selector, edit=edit)
    assert plan is not None, logger.errors
    assert selector.asked and all(len(choices) == 1 for _, choices, _ in selector.asked)
    assert [c.name for c, _, _ in selector.asked] == [c.name for c, _ in selector.reported]


def test_a_disabled_timing_cache_stays_as_it_is():
    selector = Selector(lambda context, choices: [len(choices) - 1])
    plan, logger, _, config = built(selector, [trt.BuilderFlag.DISABLE_TIMING_CACHE])
    assert plan is not None and selector.reported, logger.errors
    assert config.get_timing_cache().queryKeys() == []


def test_the_programs_own_cache_keeps_true_times():
    selector = Selector(lambda context, choices: [len(choices) - 1])
    plan, logger, _, config = built(selector)
    cache = config.get_timing_cache()
    assert plan is not None
    assert all(cache.query(key).timingMSec < 1e6 for key in cache.queryKeys())


def test_operations_that_take_the_same_time_are_told_apart():
    class Lines(algorithms.Selection):
        def __init__(self, lines):
            self._given = lines

        def _lines(self):
            return self._given

    class Engine:
        def steps(self):
            return [Step("a", "Reorder(f32[2])", "copy", "", 1e-6),
                    Step("b", "Reorder(f32[3])", "copy", "", 1e-6)]

    Step = namedtuple("Step", "name op tactic config seconds")
    lines = [algorithms._Line(f"3|cpu|Reorder(f32[{n}])|copy@1|", 1e-6, 0) for n in (3, 2)]
    found = Lines(lines)._steps([Engine()])
    assert [line.parts[0] for _, line in found] == ["3|cpu|Reorder(f32[2])", "3|cpu|Reorder(f32[3])"]
