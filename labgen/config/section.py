"""What all sections of the settings have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar, dataclass_transform

from msgspec import Meta, Struct, StructMeta, ValidationError, convert, field, structs, to_builtins

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]
NonNegativeInt = Annotated[int, Meta(ge=0)]
NonNegativeFloat = Annotated[float, Meta(ge=0)]
PositiveFloat = Annotated[float, Meta(gt=0)]
Temperature = Annotated[float, Meta(ge=0, le=2)]

PerPassage = Annotated[float, Meta(ge=0, le=1_000_000)]

Word = Annotated[str, Meta(min_length=1, max_length=60)]
Values = tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...]


class SettingError(ValueError):
    """What a section says of one of its settings where it is made: words that follow upon the setting's name."""

    def __init__(self, words: str, *place: str) -> None:
        super().__init__(words)
        self.place = place


class _SectionMeta(StructMeta):
    """So that no section need say that its settings go by name: that alone is not inherited."""

    def __new__(cls, *parts: Any, **options: Any) -> Any:
        return super().__new__(cls, *parts, kw_only=True, **options)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
class Section(Struct, metaclass=_SectionMeta, frozen=True, forbid_unknown_fields=True):
    """Base of all sections: frozen, no unknown keys. Below each setting stands what it means.

    Whoever makes one directly gives values of the right types; what people write is read by `read_section`.
    """

    def changed(self, **values: Any) -> Self:
        """The same with other values of some settings, of the right types."""
        return structs.replace(self, **values)

    def plain(self, only: Collection[str] = (), without: Collection[str] = ()) -> dict[str, Any]:
        """Its settings as JSON has them; `only` some, or `without` some."""
        names = [name for name in self.__struct_fields__ if (not only or name in only) and name not in without]
        return {name: _plain(getattr(self, name)) for name in names}


class OpenSection(ABC):
    """Base of sections that have settings of another package beside their own: frozen, too.

    No dataclass, since msgspec would read one by itself, and pass over what it has no field for.
    """

    def __init__(self, **settings: Any) -> None:
        vars(self).update(settings)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"can't set `{name}`: a section is not changed, but made anew")

    @classmethod
    @abstractmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """The section of what people wrote. Raises: TypeError: one of its own settings is of the wrong type."""

    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """Its settings by name, as they were written."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


S = TypeVar("S", bound=Section)


def read_section(kind: type[S], data: Mapping[str, Any]) -> S:
    """A section of what people wrote: lists, texts and numbers, as YAML and the command line give them.

    Raises: msgspec.ValidationError: something does not fit; `labgen.config.problems` says all that does not.
    """
    section: S = fitted(data, kind)
    return section


def fitted(value: Any, kind: Any) -> Any:
    """A value as the type of a setting has it: a number in quotes is a number. Raises: msgspec.ValidationError."""
    made = convert(value, kind, strict=False, dec_hook=_fitted)
    if _text_for_nothing(value, made):
        raise ValidationError("a text is not nothing")
    return made


def _text_for_nothing(value: Any, made: Any) -> bool:
    """Whether a text was read as nothing, as msgspec reads `"null"`: a guard would be off that was not meant to be."""
    if isinstance(made, Section):
        return any(_text_for_nothing(each, getattr(made, name)) for name, each in value.items())
    if isinstance(made, tuple):
        return any(map(_text_for_nothing, value, made))
    return made is None and value is not None


def _fitted(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if issubclass(kind, OpenSection) and isinstance(value, dict):
        return kind.of(value)
    raise TypeError(f"{kind.__name__} is none of these")


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.plain()
    if isinstance(value, OpenSection):
        return _plain(value.plain())
    if isinstance(value, tuple | list | set):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return str(value) if isinstance(value, Path) else to_builtins(value)
