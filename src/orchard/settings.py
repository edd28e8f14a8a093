"""How every settings class takes its fields: what people pass becomes the type, or one sentence.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        folds: Annotated[int, Ge(2)] = 5
        master: Annotated[str, Expected("local[*] or yarn")] = "local[*]"

        def __post_init__(self) -> None:
            settle(self)

pydantic holds the values against the annotations, in its lax mode: "3" and 3.0 are whole numbers,
2.5 is none. Before it, NumPy's values become Python's, paths become text, and a text stands for a
tuple of one. The classes stay plain dataclasses, and pydantic is loaded with the first object, not
with the module: asking for help needs no settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le

from orchard.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Expected:
    """What a field takes, where its type does not say it well.

    text: stands behind "expected". option: what stands before the value; default the option of the
    field's name. read: turns what was passed into what the annotation describes.
    """

    text: str
    option: str | None = None
    read: Callable[[Any], Any] | None = None


def settle(settings: Any) -> None:
    """Turn the fields of a frozen dataclass into their types.

    Raises ConfigError on the first that cannot be.
    """
    from pydantic import ValidationError

    kind: Any = type(settings)
    known, model = _fields(kind)
    plain = {field.name: field.plain(getattr(settings, field.name)) for field in known.values()}
    try:
        taken = model.model_validate(plain)
    except ValidationError as error:
        name = error.errors(include_url=False)[0]["loc"][0]
        raise known[str(name)].refusal(plain[str(name)]) from None
    for name in known:
        object.__setattr__(settings, name, getattr(taken, name))


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    types: frozenset[Any]  # that its values may be of
    expected: Expected

    def plain(self, value: Any) -> Any:
        """The value as pydantic is to see it. Raises ConfigError."""
        plain = _of_python(value)
        if tuple in self.types:
            if isinstance(plain, str):
                return (plain,)
            is_many = isinstance(plain, Iterable) and not isinstance(plain, bytes | Mapping)
            return tuple(map(_of_python, plain)) if is_many else plain
        if isinstance(plain, bool) and bool not in self.types:  # to pydantic, True is 1
            raise self.refusal(plain)
        return self.expected.read(plain) if self.expected.read else plain

    def refusal(self, value: Any) -> ConfigError:
        option = self.expected.option or "--" + self.name.replace("_", "-")
        return ConfigError(f"{option} {_shown(value)}: expected {self.expected.text}")


def _of_python(value: Any) -> Any:
    """A NumPy scalar or array, or a path, as Python's own; anything else as it is."""
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    return value


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


@lru_cache
def _fields(kind: Any) -> tuple[dict[str, _Field], type[BaseModel]]:
    """The fields of a dataclass, and the same as a model of pydantic's."""
    from pydantic import ConfigDict, create_model

    # Evaluated in the class: what an annotation calls is a function, no lambda on module's names.
    hints = get_type_hints(kind, include_extras=True)
    known = {field.name: _field(field.name, hints[field.name]) for field in fields(kind)}
    shape: dict[str, Any] = {name: (hints[name], ...) for name in known}
    config = ConfigDict(allow_inf_nan=False)
    return known, create_model(kind.__name__, __config__=config, **shape)


def _field(name: str, hint: Any) -> _Field:
    parts = list(_parts(hint))
    said = [part for part in parts if isinstance(part, Expected)]
    types = frozenset(part for part in parts if isinstance(part, type))
    return _Field(name, types, said[0] if said else Expected(_said(parts)))


def _parts(hint: Any) -> Iterable[Any]:
    """The types and the annotations that a hint is made of."""
    if get_origin(hint) is tuple:
        yield tuple
    elif get_origin(hint) is Annotated:
        inner, *annotations = get_args(hint)
        yield from (*annotations, *_parts(inner))
    elif get_origin(hint) is Literal or not get_args(hint):
        yield hint
    else:
        for member in get_args(hint):
            yield from _parts(member)


def _said(parts: list[Any]) -> str:
    """In words: "a whole number of at least 2", "local, spark or auto"."""
    for part in parts:
        if get_origin(part) is Literal:
            *others, last = get_args(part)
            return f"{', '.join(others)} or {last}"
    names = {bool: "true or false", int: "a whole number", float: "a number", tuple: "a list"}
    word = next((names[part] for part in names if part in parts), "text")
    bounds = [_bound(part) for part in parts if isinstance(part, Ge | Gt | Le)]
    return " ".join([word, " and ".join(bounds)]) if bounds else word


def _bound(part: Ge | Gt | Le) -> str:
    if isinstance(part, Ge):
        return f"of at least {part.ge}"
    return f"of more than {part.gt}" if isinstance(part, Gt) else f"of at most {part.le}"
