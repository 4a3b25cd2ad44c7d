# SPDX-License-Identifier: Apache-2.0
"""What print and a notebook show, and the facts."""
import subprocess
import sys
import sysconfig

import numpy as np

import lathe


def test_print_is_a_table_of_steps(two):
    text = str(two)
    assert "input   a: f32[N,4]" in text and "output  product: f32[N,4]" in text
    table = text[text.index("\nstep"):].splitlines()[1:]
    assert table[0].split() == ["step", "nodes", "operator", "tactic", "us", "error"]
    assert len(table) == 1 + len(two.steps)
    assert repr(two) == ("<lathe.Engine 'network' on cpu: a: f32[N,4], b: f32[N,4] -> "
                         "sum: f32[N,4], product: f32[N,4]>")


def test_a_notebook_gets_html(two):
    page = two._repr_html_()
    assert page.count("<tr>") == 1 + len(two.steps) and "<script" not in page


def test_a_profile_has_a_time_for_each_step(relu):
    profile = relu.profile(np.ones((4, 3), np.float32), runs=3)
    assert len(profile.seconds) == len(profile.steps) == len(relu.steps)
    assert 0 < profile.total == sum(profile.seconds)
    assert "total" in str(profile) and "<table>" in profile._repr_html_()


def test_memory_is_in_bytes(relu):
    relu(np.ones((4, 3), np.float32))
    assert relu.memory.arena >= 0 and relu.memory.weights >= 0


def test_facts():
    assert lathe.__version__.count(".") == 2
    cpu, = [d for d in lathe.devices() if d.id == "cpu"]
    assert not cpu.error and cpu.name
    assert "Conv" in {op.name for op in lathe.operators()}
    assert all(op.doc for op in lathe.operators())


def test_the_command_is_there():
    command = sysconfig.get_path("scripts") + "/lathe"
    for line in ([command, "version"], [sys.executable, "-m", "lathe", "version"]):
        told = subprocess.run(line, capture_output=True, text=True, check=True)
        assert lathe.__version__ in told.stdout
