"""Values of a saved world as msgpack and back, by a closed list of types: nothing is unpickled.

Numbers, texts and bytes go as they are; everything else as [tag, content].
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

Classes = Mapping[str, type]
"""Records that may be in a state: named tuples, dataclasses and enums by their names."""


class StateError(ValueError):
    """A state that cannot be read; the message says what is wrong with it."""


def encode(value: Any) -> Any:
    """Plain msgpack values for `decode`; TypeError for a type that is not of the list."""
    # Enums of numbers are numbers too: they come first.
    if isinstance(value, Enum):
        return ["enum", [type(value).__name__, value.value]]
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if isinstance(value, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        return ["array", buffer.getvalue()]
    if isinstance(value, np.generic):
        return encode(value.item())
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return ["record", [type(value).__name__, [encode(one) for one in value]]]
    if is_dataclass(value) and not isinstance(value, type):
        content = [encode(getattr(value, one.name)) for one in fields(value)]
        return ["record", [type(value).__name__, content]]
    if isinstance(value, dict):
        return ["map", [[encode(key), encode(one)] for key, one in value.items()]]
    for tag, kind in _SEQUENCES.items():
        if isinstance(value, kind):
            return [tag, [encode(one) for one in value]]
    raise TypeError(f"a {type(value).__name__} cannot be saved")


def decode(plain: Any, classes: Classes) -> Any:
    """What `encode` was given; StateError for anything else."""
    if not isinstance(plain, list):
        return plain
    try:
        tag, content = plain
        if tag == "array":
            return np.load(io.BytesIO(content), allow_pickle=False)
        if tag == "enum":
            return classes[content[0]](content[1])
        if tag == "record":
            return classes[content[0]](*(decode(one, classes) for one in content[1]))
        if tag == "map":
            return {decode(key, classes): decode(one, classes) for key, one in content}
        return _SEQUENCES[tag](decode(one, classes) for one in content)
    except (KeyError, TypeError, ValueError, EOFError) as error:
        raise StateError(f"unreadable: {type(error).__name__}: {error}") from None


_SEQUENCES: Mapping[str, Any] = {"tuple": tuple, "list": list, "set": set}
