# SPDX-License-Identifier: Apache-2.0
"""Plans: what build_serialized_network gives and Runtime.deserialize_cuda_engine takes.

One profile and nothing to refit: the bytes of Lathe's engine, which `lathe run` opens as well. Else
a container (docs/adr/0008): magic, SHA-256 of the rest, length of a JSON text, the text, then blobs
one after another whose lengths it lists. Engines among them are Lathe's, each with its own hashes.
A container is also what says more than an engine can: formats, debug tensors, weights left out.
"""
import hashlib
import json
import struct
from dataclasses import dataclass, field

from .. import _core
from ..errors import InputError
from . import recipe
from .assertions import Assertion
from .debug import DebugTensor
from .formats import Layout
from .shape_inputs import ShapeInput, port_shape
from .stripped import StrippedEngine, weights_of

MAGIC = b"LATHEPLN"
_FIXED = struct.Struct("<8s32sQ")
_VERSION = 1


@dataclass
class ProfilePlan:
    """One profile: its shapes by input as (min, opt, max), and the engine's bytes."""

    engine: bytes
    shapes: dict = field(default_factory=dict)
    facts: dict | None = None  # of an engine that the plan does not hold: stripped.py


@dataclass
class Plan:
    """What a plan holds."""

    profiles: list
    name: str = ""
    recipe: dict | None = None  # how a refitter builds it again: recipe.py
    blobs: list = field(default_factory=list)  # of the recipe
    cache: bytes = b""  # what was measured, for refitting
    layouts: dict = field(default_factory=dict)  # Layout of each binding that is not linear
    debug: list = field(default_factory=list)  # DebugTensors: outputs that no binding shows
    debug_sync: bool = False  # contexts wait behind each step
    strip: bool = False  # it was built to be kept without weights
    max_batch: int = 1  # of a network of 8.x without a batch dimension: samples a run may have
    shape_inputs: dict = field(default_factory=dict)  # ShapeInput of each input that is one
    metadata: dict = field(default_factory=dict)  # layer: the program's text, for the inspector
    aliases: dict = field(default_factory=dict)  # output: the input in whose memory it may lie
    assertions: list = field(default_factory=list)  # Assertions, about sizes

    @property
    def lacks_weights(self):
        """Whether it was read without weights, and not refitted since."""
        return any(profile.facts for profile in self.profiles)

    def to_bytes(self, with_recipe=True, without_weights=False):
        """The plan. Without a recipe the engine can not be refitted; without weights it must be."""
        without_weights = self.lacks_weights or without_weights and self.recipe is not None
        recipe = self.recipe if with_recipe or without_weights else None
        bare = not (recipe or self.layouts or self.debug or self.debug_sync or self.max_batch > 1
                    or self.shape_inputs or self.metadata or self.aliases
                    or self.assertions)
        if len(self.profiles) == 1 and bare:
            return self.profiles[0].engine
        profiles = [_stripped(p) for p in self.profiles] if without_weights else self.profiles
        blobs = [p.engine for p in profiles]
        if recipe is not None:
            left_out = set(weights_of(recipe).values()) if without_weights else ()
            blobs += [self.cache, *(b"" if k in left_out else blob
                                    for k, blob in enumerate(self.blobs))]
        head = {"version": _VERSION, "name": self.name, "recipe": recipe,
                "profiles": [p.shapes for p in self.profiles], "sizes": [len(b) for b in blobs],
                "formats": {name: at.to_json() for name, at in self.layouts.items()},
                "debug": [tensor.to_json() for tensor in self.debug],
                "debug_sync": self.debug_sync, "strip": self.strip, "max_batch": self.max_batch,
                "facts": [p.facts for p in profiles], "metadata": self.metadata,
                "aliases": self.aliases, "assertions": [a.to_json() for a in self.assertions],
                "shape_inputs": {n: known.to_json() for n, known in self.shape_inputs.items()}}
        text = json.dumps(head, sort_keys=True).encode()
        digest = hashlib.sha256(text)
        for blob in blobs:
            digest.update(blob)
        return b"".join([_FIXED.pack(MAGIC, digest.digest(), len(text)), text, *blobs])

    def memory_shapes(self, shapes):
        """A profile's shapes as the engine's ports have them, which is what it is built with."""
        def of(name, shape):
            if name in self.shape_inputs:
                return port_shape(shape)
            return (self.layouts[name].memory_shape(shape) if name in self.layouts
                    else list(shape))

        return {name: [of(name, shape) for shape in three] for name, three in shapes.items()}


def _stripped(profile):
    """A profile with facts instead of its engine."""
    if profile.facts:
        return profile
    facts = StrippedEngine.facts(_core.Engine.parse(profile.engine))
    return ProfilePlan(b"", profile.shapes, facts)


def is_container(data):
    """Whether bytes are the container rather than an engine."""
    return bytes(data[:len(MAGIC)]) == MAGIC


def read(data):
    """A Plan of bytes; InputError where they are damaged."""
    if not is_container(data):
        return Plan([ProfilePlan(data)])
    if len(data) < _FIXED.size:
        raise InputError(f"the plan is cut off: {len(data)} bytes, expected {_FIXED.size} and more")
    _, digest, length = _FIXED.unpack_from(data)
    body = memoryview(data)[_FIXED.size:]
    if hashlib.sha256(body).digest() != digest:
        raise InputError("the plan is damaged: its hash is not that of its contents")
    try:
        head = json.loads(bytes(body[:length]))
        if head["version"] != _VERSION:
            raise InputError(f"the plan has version {head['version']}, expected {_VERSION}")
        return _assembled(head, body[length:])
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError,
            ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the plan is damaged: {error}") from error


def _check_shapes(shapes):
    for name, three in shapes.items():
        if len(three) != 3 or not all(type(s) is int for shape in three for s in shape):
            raise ValueError(f"a profile's shapes of '{name}' are {three}")


def _assembled(head, body):
    blobs, offset = [], 0
    for size in head["sizes"]:
        if not 0 <= size <= len(body) - offset:
            raise InputError("the plan is damaged: a part lies outside")
        blobs.append(bytes(body[offset:offset + size]))
        offset += size
    count = len(head["profiles"])
    facts = head.get("facts") or [None] * count
    for known in filter(None, facts):
        StrippedEngine(known)
    profiles = [ProfilePlan(*parts) for parts in zip(blobs, head["profiles"], facts)]
    for profile in profiles:
        _check_shapes(profile.shapes)
    if not profiles or len(profiles) != count:
        raise InputError("the plan is damaged: it holds no profile")
    rest = blobs[count:]
    cache = rest.pop(0) if head["recipe"] is not None else b""
    if head["recipe"] is not None:
        recipe.check(head["recipe"], rest)
    layouts = {name: Layout.from_json(facts) for name, facts in head.get("formats", {}).items()}
    debug = [DebugTensor.from_json(facts) for facts in head.get("debug", [])]
    sizes = {name: ShapeInput.from_json(f) for name, f in head.get("shape_inputs", {}).items()}
    assertions = [Assertion.from_json(facts) for facts in head.get("assertions", [])]
    metadata, aliases = ({str(k): str(v) for k, v in head.get(what, {}).items()}
                         for what in ("metadata", "aliases"))
    return Plan(profiles, head["name"], head["recipe"], rest, cache, layouts, debug,
                bool(head.get("debug_sync")), bool(head.get("strip")),
                max(int(head.get("max_batch", 1)), 1), sizes, metadata, aliases, assertions)
