"""Plain JSON data into frozen dataclasses, with no key guessed, dropped or filled in."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, Literal, TypeVar, Union

T = TypeVar("T")


class ConfigError(ValueError):
    """A configuration that does not describe a model; the message names the field."""


def require(holds: bool, field: str, expected: str, config: object) -> None:
    """Raise :class:`ConfigError` unless ``holds``; ``field`` is a path that ends in its name."""
    if not holds:
        got = getattr(config, field.rpartition(".")[2])
        raise ConfigError(f"{field}: expected {expected}, got {got!r}")


def require_positive(config: object, section: str, *fields: str) -> None:
    """Raise :class:`ConfigError` unless these counts are at least 1."""
    for field in fields:
        require(getattr(config, field) >= 1, _join(section, field), "at least 1", config)


def from_plain(cls: type[T], plain: object, where: str = "") -> T:
    """Build dataclass ``cls`` from dicts, lists and scalars.

    Raises :class:`ConfigError` for an unknown key, a missing key or a value of another type;
    ``where`` is the path of the enclosing key.
    """
    if not isinstance(plain, dict):
        raise ConfigError(f"{where or 'config'}: expected an object, got {plain!r}")
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for key in plain:
        if key not in names:
            raise ConfigError(f"{_join(where, key)}: unknown key; known are {', '.join(names)}")
    for name in names:
        if name not in plain:
            raise ConfigError(f"{_join(where, name)}: missing")
    values = {name: _value(hints[name], plain[name], _join(where, name)) for name in names}
    return cls(**values)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _value(hint: Any, plain: object, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return from_plain(typing.cast(type[object], hint), plain, where)
    if origin is tuple:
        return _tuple(arguments, plain, where)
    if origin is Literal:
        if plain not in arguments:
            raise ConfigError(f"{where}: expected one of {arguments}, got {plain!r}")
        return plain
    if origin in (Union, types.UnionType):
        if plain is None and type(None) in arguments:
            return None
        (hint,) = (argument for argument in arguments if argument is not type(None))
        return _value(hint, plain, where)
    if hint is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    if type(plain) is not hint:
        raise ConfigError(f"{where}: expected {hint.__name__}, got {plain!r}")
    return plain


def _tuple(arguments: tuple[Any, ...], plain: object, where: str) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise ConfigError(f"{where}: expected a list, got {plain!r}")
    if arguments[-1] is Ellipsis:
        hints: tuple[Any, ...] = (arguments[0],) * len(plain)
    else:
        hints = arguments
    if len(hints) != len(plain):
        raise ConfigError(f"{where}: expected {len(hints)} entries, got {len(plain)}")
    pairs = zip(hints, plain, strict=True)
    return tuple(_value(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(pairs))
