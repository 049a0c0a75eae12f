"""The words that every YAML file is spelled with, and what all of them refuse."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

__all__ = ["Document", "GuardName", "Id", "Moment", "Name", "Permille", "PromptRef"]

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""An id as `domain.ids` spells it."""
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
"""A member of a closed vocabulary."""
PromptRef = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}@[1-9][0-9]{0,5}$")
]
"""A prompt's name and version, such as `support@3`."""
Permille = Annotated[int, Field(ge=0, le=1000)]
GuardName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""A guard: built in (`domain.guarding.ALL_GUARDS`), or provided by a moderator."""

_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


def _moment(value: object) -> datetime:
    """One spelling of time: `2027-12-31T00:00:00Z`; a bare number is no time at all."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("a time is spelled like 2027-12-31T00:00:00Z")
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("this time is not in the calendar") from None


Moment = Annotated[datetime, BeforeValidator(_moment)]


class Document(BaseModel):
    """A mapping in a file: unknown keys are errors, and no value is taken for another type's."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
