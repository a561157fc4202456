"""Values of a saved world as msgpack and back, by a closed list of types: nothing is unpickled.

Numbers, texts and bytes go as they are; everything else as [tag, content]. Both directions hold to
the list: what could not be read is refused when it is saved.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any

import numpy as np

Classes = Mapping[str, type]
"""Records that may be in a state: named tuples, dataclasses and enums by their names."""


class StateError(ValueError):
    """A state that cannot be read; the message says what is wrong with it."""


def encode(value: Any, classes: Classes) -> Any:
    """Plain msgpack values, which `decode` with the same classes turns into the value again.

    TypeError for what would not come back as it is: a type that is not of the list, or a subclass
    of one (a defaultdict would be a dict).
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str, bytes):
        return value
    if kind is np.ndarray and not value.dtype.hasobject:
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        return ["array", buffer.getvalue()]
    if kind is dict:
        return ["map", [[encode(key, classes), encode(one, classes)] for key, one in value.items()]]
    for tag, sequence in _SEQUENCES.items():
        if kind is sequence:
            return [tag, [encode(one, classes) for one in value]]
    if classes.get(kind.__name__) is not kind:
        raise TypeError(f"a {kind.__name__} cannot be saved")
    if isinstance(value, Enum):
        return ["enum", [kind.__name__, encode(value.value, classes)]]
    content = [encode(one, classes) for one in _content(value)]
    return ["record", [kind.__name__, content]]


def _content(value: Any) -> list[Any]:
    """The values that a record is made of, in the order in which it takes them."""
    if isinstance(value, tuple):
        return list(value)
    for one in fields(value):
        if not one.init or one.kw_only:
            raise TypeError(f"{type(value).__name__}.{one.name} cannot be given when it is made")
    return [getattr(value, one.name) for one in fields(value)]


def decode(plain: Any, classes: Classes) -> Any:
    """What `encode` was given; StateError for anything else."""
    if not isinstance(plain, list):
        return plain
    try:
        tag, content = plain
        if tag == "array":
            return np.load(io.BytesIO(content), allow_pickle=False)
        if tag == "enum":
            return classes[content[0]](decode(content[1], classes))
        if tag == "record":
            return classes[content[0]](*(decode(one, classes) for one in content[1]))
        if tag == "map":
            return {decode(key, classes): decode(one, classes) for key, one in content}
        return _SEQUENCES[tag](decode(one, classes) for one in content)
    except (KeyError, TypeError, ValueError, EOFError) as error:
        raise StateError(f"unreadable: {type(error).__name__}: {error}") from None


_SEQUENCES: Mapping[str, Any] = {"tuple": tuple, "list": list, "set": set}
