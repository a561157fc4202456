"""JSON and plain data into frozen dataclasses, with no key guessed, dropped or filled in.

The annotation of a number says which values have a meaning::

    fov_deg: Annotated[float, Within(1, 179)]

:func:`from_plain` holds what comes from a file to it, and a class that calls :func:`check_fields`
after its construction everything else.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn, TypeVar, Union

T = TypeVar("T")


class ConfigError(ValueError):
    """A configuration that does not describe a model; the message names the field."""


@dataclass(frozen=True)
class Within:
    """The least and the largest value of a number."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


def parse(text: str) -> object:
    """The content of a JSON text.

    Raises :class:`ConfigError` for what is no JSON, which NaN and Infinity are not either, for a
    key that an object has twice, and for a nesting that is deeper than the reader can follow.
    """
    try:
        content: object = json.loads(
            text, parse_constant=_refuse_constant, object_pairs_hook=_unique
        )
    except RecursionError as error:
        raise ConfigError("expected JSON, got one that is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"expected JSON, got {error}") from error
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return content


def require(holds: bool, field: str, expected: str, config: object) -> None:
    """Raise :class:`ConfigError` unless ``holds``; ``field`` is a path that ends in its name."""
    if not holds:
        got = getattr(config, field.rpartition(".")[2])
        raise ConfigError(f"{field}: expected {expected}, got {_shown(got)}")


def check_fields(config: object, section: str = "") -> None:
    """Raise :class:`ConfigError` unless each field has its annotation's type and range.

    ``section`` is the path of ``config`` for the message.
    """
    for name, hint in _hints(type(config)).items():
        _check(hint, getattr(config, name), _join(section, name))


def from_plain(cls: type[T], plain: object, where: str = "") -> T:
    """Build dataclass ``cls`` from dicts, lists and scalars.

    Raises :class:`ConfigError` for an unknown key, a missing key or a value of another type or out
    of range; ``where`` is the path of the enclosing key.
    """
    if not isinstance(plain, dict):
        raise ConfigError(f"{where or 'config'}: expected an object, got {_shown(plain)}")
    hints = _hints(cls)
    for key in plain:
        if key not in hints:
            raise ConfigError(f"{_join(where, key)}: unknown key; known are {', '.join(hints)}")
    for name in hints:
        if name not in plain:
            raise ConfigError(f"{_join(where, name)}: missing")
    values = {name: _value(hint, plain[name], _join(where, name)) for name, hint in hints.items()}
    return cls(**values)


def _hints(cls: type[object]) -> dict[str, Any]:
    """Field -> its annotation."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}  # type: ignore[arg-type]


def _value(hint: Any, plain: object, where: str) -> Any:
    """Plain data as what ``hint`` says."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return from_plain(typing.cast(type[object], hint), plain, where)
    if origin is Annotated:
        value = _value(arguments[0], plain, where)
    elif origin is tuple:
        value = _tuple(arguments, plain, where)
    elif origin in (Union, types.UnionType):
        value = None if plain is None else _value(_not_none(arguments), plain, where)
    elif hint is float and type(plain) is int:
        value = _float(plain, where)
    else:
        value = plain
    _check(hint, value, where)
    return value


def _tuple(arguments: tuple[Any, ...], plain: object, where: str) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise ConfigError(f"{where}: expected a list, got {_shown(plain)}")
    hints = _entries(arguments, len(plain), where)
    pairs = zip(hints, plain, strict=True)
    return tuple(_value(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(pairs))


def _check(hint: Any, value: object, where: str) -> None:
    """Raise :class:`ConfigError` unless ``value`` is what ``hint`` says."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        _check(arguments[0], value, where)
        for limits in arguments[1:]:
            if not limits.low <= typing.cast(float, value) <= limits.high:
                raise ConfigError(f"{where}: expected {limits}, got {_shown(value)}")
    elif origin is tuple:
        _check_type(isinstance(value, tuple), "a tuple", value, where)
        entries = typing.cast(tuple[object, ...], value)
        pairs = zip(_entries(arguments, len(entries), where), entries, strict=True)
        for number, (entry_hint, entry) in enumerate(pairs):
            _check(entry_hint, entry, f"{where}[{number}]")
    elif origin is Literal:
        fits = any(type(value) is type(a) and value == a for a in arguments)
        _check_type(fits, f"one of {arguments}", value, where)
    elif origin in (Union, types.UnionType):
        if value is not None:
            _check(_not_none(arguments), value, where)
    elif hint is float:
        number_given = type(value) in (int, float)
        _check_type(number_given and math.isfinite(_float(value, where)), "float", value, where)
    else:
        # A bool is an int to Python, and to nobody who writes a configuration.
        fits = isinstance(value, hint) and (type(value) is bool) == (hint is bool)
        _check_type(fits, hint.__name__, value, where)


def _check_type(fits: bool, expected: str, value: object, where: str) -> None:
    if not fits:
        raise ConfigError(f"{where}: expected {expected}, got {_shown(value)}")


def _entries(arguments: tuple[Any, ...], count: int, where: str) -> tuple[Any, ...]:
    """The annotation of each of a tuple's ``count`` entries."""
    if arguments[-1] is Ellipsis:
        return (arguments[0],) * count
    if len(arguments) != count:
        raise ConfigError(f"{where}: expected {len(arguments)} entries, got {count}")
    return arguments


def _not_none(arguments: tuple[Any, ...]) -> Any:
    (hint,) = (argument for argument in arguments if argument is not type(None))
    return hint


def _float(value: Any, where: str) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise ConfigError(f"{where}: expected float, got {_shown(value)}") from error


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _shown(value: object) -> str:
    """A value for a message: whatever it is, on one line of readable length."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # more digits, or levels, than Python prints
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"expected JSON, got {name}, which is no number in it")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{twice}: expected once, got it twice")
    return content
