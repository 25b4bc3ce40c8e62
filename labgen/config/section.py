"""What all sections of the settings have in common."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]


Word = Annotated[str, Field(min_length=1, max_length=60)]
Values = tuple[Annotated[str, Field(min_length=1, max_length=200)], ...]


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys."""

    # Each is built once, with the whole of `Config`, and not by itself before that.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        kinds: dict[Any, Literal["int_type", "float_type"]] = {int: "int_type", float: "float_type"}
        annotation = cls.model_fields[str(info.field_name)].annotation
        wanted = next((kinds[kind] for kind in (annotation, *get_args(annotation)) if kind in kinds), None)
        if isinstance(value, bool) and wanted:
            raise PydanticKnownError(wanted)  # `no` would be read as 0
        return value
