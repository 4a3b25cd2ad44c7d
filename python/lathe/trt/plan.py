# SPDX-License-Identifier: Apache-2.0
"""Plans: what build_serialized_network gives and Runtime.deserialize_cuda_engine takes.

One profile and nothing to refit: the bytes of Lathe's engine, which `lathe run` opens as well. Else
a container (docs/adr/0008): magic, SHA-256 of the rest, length of a JSON text, the text, then blobs
one after another whose lengths it lists. Engines among them are Lathe's, each with its own hashes.
"""
import hashlib
import json
import struct
from dataclasses import dataclass, field

from ..errors import InputError

MAGIC = b"LATHEPLN"
_FIXED = struct.Struct("<8s32sQ")
_VERSION = 1


@dataclass
class ProfilePlan:
    """One profile: its shapes by input as (min, opt, max), and the engine's bytes."""

    engine: bytes
    shapes: dict = field(default_factory=dict)


@dataclass
class Plan:
    """What a plan holds."""

    profiles: list
    name: str = ""
    recipe: dict | None = None  # how a refitter builds it again: recipe.py
    blobs: list = field(default_factory=list)  # of the recipe
    cache: bytes = b""  # what was measured, for refitting

    def to_bytes(self, with_recipe=True):
        """The plan; without a recipe the engine can not be refitted."""
        recipe = self.recipe if with_recipe else None
        if len(self.profiles) == 1 and recipe is None:
            return self.profiles[0].engine
        blobs = [p.engine for p in self.profiles]
        if recipe is not None:
            blobs += [self.cache, *self.blobs]
        head = {"version": _VERSION, "name": self.name, "recipe": recipe,
                "profiles": [p.shapes for p in self.profiles], "sizes": [len(b) for b in blobs]}
        text = json.dumps(head, sort_keys=True).encode()
        digest = hashlib.sha256(text)
        for blob in blobs:
            digest.update(blob)
        return b"".join([_FIXED.pack(MAGIC, digest.digest(), len(text)), text, *blobs])


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
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the plan is damaged: {error}") from error


def _assembled(head, body):
    blobs, offset = [], 0
    for size in head["sizes"]:
        if not 0 <= size <= len(body) - offset:
            raise InputError("the plan is damaged: a part lies outside")
        blobs.append(bytes(body[offset:offset + size]))
        offset += size
    count = len(head["profiles"])
    profiles = [ProfilePlan(blob, shapes) for blob, shapes in zip(blobs, head["profiles"])]
    if not profiles or len(profiles) != count:
        raise InputError("the plan is damaged: it holds no profile")
    rest = blobs[count:]
    cache = rest.pop(0) if head["recipe"] is not None else b""
    return Plan(profiles, head["name"], head["recipe"], rest, cache)
