"""The shape of a file of `prompts/`."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from transire.bundle.documents.words import Document

__all__ = [
    "PromptDocument",
]


class PromptDocument(Document):
    """`prompts/NAME@VERSION.yaml`: text that is put before requests as a message of this role.

    An `exclusive` prompt refuses requests that bring `system` or `developer` messages themselves.
    """

    role: Literal["system", "developer"] = "system"
    title: str = ""
    text: Annotated[str, StringConstraints(min_length=1, max_length=65_536)]
    exclusive: bool = False
