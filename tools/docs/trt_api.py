#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/trt-api.md: every name of trt_names.tsv, and what lathe.trt does with it.

    PYTHONPATH=... tools/docs/trt_api.py [--check]

Nothing is claimed by hand. A name is looked up in the module itself; a method or class whose mark
makes it warn or raise is read by that mark; a layer is added and asked whether a build refuses it;
a member of an enumeration is handed to what takes it, and what that says decides. Loops,
conditionals, debug tensors, formats, algorithm selectors and plans without weights are used, run
and compared: trt_attempts.py.
"""
import argparse
import collections
import pathlib
import re
import sys
import warnings

import numpy as np

import lathe.trt as trt
import lathe.trt8 as trt8
from lathe.trt.calibrators import REFUSAL as NO_CALIBRATION

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import trt_attempts as attempts  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = pathlib.Path(__file__).with_name("trt_names.tsv")
PAGE = ROOT / "docs" / "trt-api.md"
PLUGINS = re.compile(r"[Pp]lugin|KernelLaunchParams|IExprBuilder|DimsExprs|DimensionOperation|"
                     r"TensorRTPhase")
SUPPORTED, ACCEPTED, REFUSED, ABSENT = ("supported", "accepted with a warning", "refused", "absent")


# Names of 8.x that 10.16 lacks.
DROPPED = {line.split("\t")[0] for line in NAMES.read_text().splitlines() if line.endswith("\tno")}


class Log(trt.ILogger):
    """Keeps warnings and errors."""

    def __init__(self):
        trt.ILogger.__init__(self)
        self.warnings, self.errors = [], []

    def log(self, severity, msg):
        if severity <= trt.Logger.ERROR:
            self.errors.append(msg)
        elif severity == trt.Logger.WARNING:
            self.warnings.append(msg)


class Bench:
    """A builder, a small network and a configuration to try things on."""

    def __init__(self, module=trt):
        self.log = Log()
        self.builder = module.Builder(self.log)
        self.network = self.builder.create_network(0)
        self.x = self.network.add_input("x", trt.float32, (1, 4, 4, 4))
        self.config = self.builder.create_builder_config()

    def outcome(self, action):
        """What happens when something is done."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                action(self)
            except (NotImplementedError, ValueError) as error:
                return REFUSED, str(error)
        if self.log.errors:
            return REFUSED, self.log.errors[-1]
        said = [str(w.message) for w in caught if issubclass(w.category, trt.LatheWarning)]
        said += self.log.warnings
        return (ACCEPTED, said[-1]) if said else (SUPPORTED, "")


def with_type(bench, dtype):
    """Builds nothing, but checks a network of that input type."""
    network = bench.builder.create_network(0)
    network.mark_output(network.add_identity(network.add_input("x", dtype, (2,))).get_output(0))
    if not bench.builder.is_network_supported(network, bench.config):
        raise NotImplementedError(bench.log.errors[-1])


# Flags that are more than a setting.
FLAGS = {trt.BuilderFlag.STRIP_PLAN: attempts.strip_plan,
         trt.BuilderFlag.DEBUG: attempts.debug_flag,
         trt.BuilderFlag.EXCLUDE_LEAN_RUNTIME: attempts.no_runtime,
         trt.BuilderFlag.REJECT_EMPTY_ALGORITHMS: lambda b, flag: attempts.algorithms(b, [flag])}


def with_flag(bench, flag):
    """Sets a flag and checks a network with it."""
    if flag in FLAGS:
        FLAGS[flag](bench, flag)
    bench.config.set_flag(flag)
    network = bench.builder.create_network(0)
    network.mark_output(network.add_identity(network.add_input("x", trt.float32, (2,)))
                        .get_output(0))
    if not bench.builder.is_network_supported(network, bench.config):
        raise NotImplementedError(bench.log.errors[-1])


def fill(bench, operation):
    """A fill layer."""
    refuse(bench.network.add_fill((2,), operation))


def refuse(layer):
    """Raises where a build refuses the layer."""
    reason = getattr(layer, "REFUSAL", None)
    if reason:
        raise NotImplementedError(reason)


# Members of these enumerations are handed to what takes them.
TRIED = {
    "BuilderFlag": with_flag,
    "DataType": with_type,
    "FillOperation": fill,
    "MemoryPoolType": lambda b, v: b.config.set_memory_pool_limit(v, 1 << 20),
    "DeviceType": lambda b, v: setattr(b.config, "default_device_type", v),
    "EngineCapability": lambda b, v: setattr(b.config, "engine_capability", v),
    "RuntimePlatform": lambda b, v: setattr(b.config, "runtime_platform", v),
    "OnnxParserFlag": lambda b, v: trt.OnnxParser(b.network, b.log).set_flag(v),
    "TensorFormat": attempts.format_of_bindings,
    "TripLimit": lambda b, v: attempts.loop(b, trip=v),
    "LoopOutput": lambda b, v: attempts.loop(b, output=v),
}
# Arguments by their names, for adding a layer of each kind.
ARGUMENTS = {
    "num_output_maps": 4, "kernel_shape": (1, 1), "kernel": np.ones((4, 4), np.float32),
    "window_size": (2, 2), "window": 1, "alpha": 1.0, "beta": 1.0, "k": 1, "shape": (1,),
    "weights": np.ones(1, np.float32), "axes": 1, "axis": 1, "keep_dims": True, "start": (0,) * 4,
    "stride": (1,) * 4, "pre_padding": (0, 0), "post_padding": (0, 0), "to_type": trt.float16,
    "equation": "abcd->abcd", "axesMask": 12, "exclusive": False, "reverse": False,
    "causal": False, "interleaved": False, "rotary_embedding_dim": 0, "message": "", "root": 0,
    "groups": None, "block_size": 16, "block_shape": (1, 16), "output_type": trt.int8,
    "scale_type": trt.fp8, "indices_type": trt.int32, "op0": trt.MatrixOperation.NONE,
    "op1": trt.MatrixOperation.NONE, "norm_op": trt.AttentionNormalizationOp.SOFTMAX,
    "cache_mode": trt.KVCacheMode.LINEAR, "mode": 0, "type": 0, "op": 0, "reduce_op": None,
    "num_outputs": 4, "name": "n", "dtype": trt.float32,
    "dist_collective_op": trt.CollectiveOperation.ALL_REDUCE,
}


def added(bench, name):
    """Adds a layer by its method and asks whether a build refuses it."""
    import inspect
    method = getattr(bench.network, name)
    arguments = {}
    for parameter in inspect.signature(method).parameters.values():
        if parameter.name == "inputs":
            arguments["inputs"] = [bench.x]
        elif parameter.default is parameter.empty:
            arguments[parameter.name] = ARGUMENTS.get(parameter.name, bench.x)
    if name in ("add_slice", "add_squeeze", "add_unsqueeze", "add_cumulative"):
        arguments["shape" if name == "add_slice" else "axis" if name == "add_cumulative" else
                  "axes"] = (1,) * 4 if name == "add_slice" else bench.x
    made = method(**arguments)
    refuse(made)
    for mark in (type(made),):
        if getattr(mark, "lathe_refused", None):
            raise NotImplementedError(mark.lathe_refused)


TRIALS = {}  # outcomes of the attempts that several names share


def marks(thing):
    """(status, reason) by a mark that makes a thing warn or raise."""
    for mark, status in (("lathe_refused", REFUSED), ("lathe_accepted", ACCEPTED)):
        reason = getattr(thing, mark, None)
        if isinstance(reason, str):
            return status, reason
    reason = getattr(thing, "REFUSAL", None)
    return (REFUSED, reason) if isinstance(reason, str) else None


def looked_up(owner, name):
    """An attribute of a class, or of an object of it that its constructor gives it."""
    if hasattr(owner, name):
        return getattr(owner, name)
    return getattr(owner(), name)  # AttributeError, TypeError: it is not there


def probe_member(module, text):
    """"Class.member"."""
    owner_name, name = text.split(".")[:2]
    owner = getattr(module, owner_name, None) or getattr(module.plugin, owner_name)
    if owner_name == "INetworkDefinition" and name.startswith("add_"):
        getattr(owner, name)
        marked = marks(getattr(owner, name))
        return marked or Bench(module).outcome(lambda bench: added(bench, name))
    thing = looked_up(owner, name)
    return marks(thing) or marks(owner) or (SUPPORTED, "")


def probe_module(module, text):
    """"trt.name", "trt.Class.member" ..."""
    path = text.split(".")[1:]
    thing, owner = module, None
    for name in path:
        owner, thing = thing, getattr(thing, name, None) if not isinstance(
            thing, type) else looked_up(thing, name)
        if thing is None:
            raise AttributeError(text)
    kind = type(thing).__name__
    if kind in TRIED and isinstance(thing, trt.DataType.__mro__[1]):
        return Bench().outcome(lambda bench: TRIED[kind](bench, thing))
    return marks(thing) or (marks(owner) if isinstance(owner, type) else None) or (
        marks(type(thing))) or (SUPPORTED, "")


def works(condition):
    """Supported, if so."""
    if not condition:
        raise AttributeError
    return SUPPORTED, ""


def probe_protocol(module, text):
    """Rows that are no plain name."""
    if match := re.fullmatch(r"(\w+)\.__enter__/__exit__ \(with\)", text):
        owner = getattr(module, match[1])
        return works(hasattr(owner, "__enter__") and hasattr(owner, "__exit__"))
    if match := re.fullmatch(r"(\w+)\.__getitem__/__iter__ \(for x in\)", text):
        return works(hasattr(getattr(module, match[1]), "__getitem__"))
    if match := re.fullmatch(r'(?:has|get)attr\(([\w.]+), "(\w+)"\)', text):
        # A program looks whether a name is there: right is what 10.16 answers.
        owner = module if match[1] == "trt" else getattr(module, match[1].split(".")[-1])
        expected = f"{match[1]}.{match[2]}" not in DROPPED
        return works(hasattr(owner, match[2]) == expected)
    if match := re.fullmatch(r"(?:get|has)attr\(trt\.?(\w*), <dynamic>\)", text):
        return works(getattr(module, match[1]) if match[1] else module)
    memory = module.IHostMemory(b"ab")
    checks = {
        "int(trt enum)": lambda: 1 << int(module.BuilderFlag.INT8) == 2,
        "IHostMemory buffer protocol (f.write(plan))": lambda: memoryview(memory).nbytes == 2,
        "bytearray(IHostMemory)": lambda: bytearray(memory) == b"ab",
        "bytes(IHostMemory)": lambda: bytes(memory) == b"ab",
        "str(ParserError)": lambda: str(module.ParserError(ValueError("why"))),
        "len(Dims)": lambda: len(module.Dims((1, 2))) == 2,
    }
    return works(checks[text]())


def probe(module, text):
    """(status, reason) of a row."""
    try:
        plain = re.sub(r" \((override|subclassed)\)$", "", text)
        attempt = attempts.attempt_of(plain)
        if attempt is not None:
            if attempt not in TRIALS:
                TRIALS[attempt] = Bench().outcome(attempt)
            if TRIALS[attempt][0] != SUPPORTED:
                return TRIALS[attempt]
        if match := re.fullmatch(r"class\((\w+)\)", plain):
            owner = getattr(module, match[1])
            type("Derived", (owner,), {})
            return marks(owner) or (SUPPORTED, "")
        if plain == text and not re.fullmatch(r"[\w.]+", text):
            return probe_protocol(module, text)
        if plain.startswith("trt."):
            return probe_module(module, plain)
        return probe_member(module, plain)
    except (AttributeError, TypeError, KeyError):
        return ABSENT, ""


def rows():
    """The table's rows as tuples."""
    for line in NAMES.read_text().splitlines()[1:]:
        name, uses, files, repositories, present = line.split("\t")
        yield name, int(repositories), present


def survey():
    """{name: (repositories, in 10.16, status in lathe.trt, in lathe.trt8, reason)}."""
    found = {}
    for name, repositories, present in rows():
        status, reason = probe(trt, name)
        legacy = probe(trt8, name)[0] if present == "no" else ""
        found[name] = (repositories, present, status, legacy, reason)
    return found


def counted(found, calibration=True):
    """Counts by status of the names that the goal is about: of 10.16, used by two, no plugins."""
    relevant = [f for name, f in found.items()
                if f[1] != "no" and f[0] >= 2 and not PLUGINS.search(name)
                and (calibration or not f[4].endswith(NO_CALIBRATION))]
    return len(relevant), collections.Counter(f[2] for f in relevant)


def summary(found):
    """The page's first paragraphs."""
    total, counts = counted(found)
    rest, kept = counted(found, calibration=False)
    plugins = collections.Counter(f[2] for name, f in found.items()
                                  if f[1] != "no" and PLUGINS.search(name))
    every = collections.Counter(f[2] for f in found.values() if f[1] != "no")
    legacy = collections.Counter(f[3] for f in found.values() if f[1] == "no")
    leaked = [name for name, f in found.items() if f[1] == "no" and f[2] != ABSENT]
    listed = ", ".join(f"{every[s]} {s}" for s in (SUPPORTED, ACCEPTED, REFUSED, ABSENT))
    return [
        "# lathe.trt, name by name", "",
        "Generated by `tools/docs/trt_api.py`, which tries each name on the module; do not edit.",
        "The names are those that public programs use of TensorRT's Python API.", "",
        f"Of the {total} names that 10.16 has and two or more repositories use, plugins aside: "
        f"**{counts[SUPPORTED]} supported ({100 * counts[SUPPORTED] / total:.1f} %)**, "
        f"{counts[ACCEPTED]} accepted with a warning, {counts[REFUSED]} refused, "
        f"{counts[ABSENT]} absent. Without calibration, which is refused until Lathe quantizes by "
        f"itself, {rest} names remain, of which {kept[SUPPORTED]} are supported "
        f"({100 * kept[SUPPORTED] / rest:.1f} %).", "",
        f"Of all {sum(every.values())} names of 10.16: {listed}. Of those, names of plugins: "
        + ", ".join(f"{n} {s}" for s, n in sorted(plugins.items())) + ".", "",
        f"Of the {sum(legacy.values())} names that 10.16 dropped, lathe.trt8 has "
        f"{legacy[SUPPORTED] + legacy[ACCEPTED]}; lathe.trt shows {len(leaked)}"
        + (f" ({', '.join(leaked)})" if leaked else "") + ".", ""]


def page():
    """The page's text."""
    found = survey()
    lines = summary(found)
    lines += ["| name | repositories | lathe.trt | why |", "|---|---|---|---|"]
    for name, (repositories, present, status, legacy, reason) in found.items():
        if present == "no":
            status = "in lathe.trt8" if legacy in (SUPPORTED, ACCEPTED) else "absent in both"
        reason = reason.replace("|", "/").replace("\n", " ")
        lines.append(f"| `{name}` | {repositories} | {status} | {reason} |")
    return "\n".join(lines) + "\n"


def main():
    """Writes the page, or says whether it is current."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail when the page is not current")
    arguments = parser.parse_args()
    text = page()
    if not arguments.check:
        PAGE.write_text(text)
        return 0
    current = PAGE.exists() and PAGE.read_text() == text
    if not current:
        print(f"{PAGE}: not current; run tools/docs/trt_api.py", file=sys.stderr)
    return 0 if current else 1


if __name__ == "__main__":
    sys.exit(main())
