"""What a recipe's values may be: each check is a ValueError of one sentence."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from types import UnionType
from typing import Any, get_args, get_origin

Range = tuple[float, float]


def among(name: str, value: str, known: Iterable[str]) -> None:
    """Refuse a value that is not known."""
    if value not in (names := list(known)):
        raise ValueError(f"{name} must be one of {', '.join(names)}, passed {value!r}")


def all_among(name: str, keys: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a key that is not known."""
    names = list(known)
    for key in keys:
        if key not in names:
            raise ValueError(f"{name} may hold {', '.join(names)}, passed {key!r}")


def at_least(facts: object, least: int, *names: str) -> None:
    """Refuse fields below a number."""
    for name in names:
        if getattr(facts, name) < least:
            raise ValueError(f"{name} must be at least {least}, passed {getattr(facts, name)}")


def shares(facts: object, *names: str) -> None:
    """Refuse fields that are no shares of a whole."""
    for name in names:
        if not 0 <= getattr(facts, name) <= 1:
            raise ValueError(f"{name} must be a share of 0 to 1, passed {getattr(facts, name)}")


def weights(name: str, table: Mapping[str, float]) -> None:
    """Refuse weights that nothing can be drawn by."""
    if any(weight < 0 for weight in table.values()) or not any(table.values()):
        raise ValueError(f"{name} must hold shares of at least 0, one of them above 0, passed {dict(table)}")


def ranges(table: Mapping[str, Range]) -> None:
    """Refuse ranges that no strength can be drawn from."""
    for name, (low, high) in table.items():
        if not 0 <= low <= high:
            raise ValueError(f"{name} must be two numbers from 0 up, the smaller first, passed {[low, high]}")


def fields_of(kind: Any, name: str, table: Any) -> None:
    """Refuse what is no table, or holds a key or a type of value that a dataclass has no field for.

    Args:
        kind: A dataclass: its fields' annotations say what a value may be.
        name: What to call the table.
        table: What TOML gave, its lists as tuples.
    """
    _typed(name, table, Mapping)
    hints = {field.name: field.type for field in fields(kind)}
    all_among(name, table, hints)
    for key, value in table.items():
        _typed(key, value, hints[key])


def _typed(name: str, value: Any, hint: Any) -> None:
    """Hold a value against a field's annotation; those not known here are for the dataclass to check."""
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind is UnionType:  # with None, which TOML has not
        kind = inner[0]
    words, fits = _KINDS.get(kind, ("", lambda _: True))
    if not fits(value):
        shown = list(value) if isinstance(value, tuple) else value
        raise ValueError(f"{name} must be {words}, passed {shown!r}")
    if kind is Mapping and inner:
        for key, member in value.items():
            _typed(key, member, inner[1])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _is_integer(value: object) -> bool:
    return _is_number(value) and isinstance(value, int)


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_number, value))


def _are_words(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(word, str) for word in value)


_KINDS: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    int: ("a whole number", _is_integer),
    float: ("a number", _is_number),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    str: ("a word in quotes", lambda value: isinstance(value, str)),
    tuple: ("two numbers in brackets", _is_pair),
    Sequence: ("words in brackets", _are_words),
    Mapping: ("a table", lambda value: isinstance(value, Mapping)),
}
