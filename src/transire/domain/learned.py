"""What an operator's own fitted models say of a prompt: its task, and who answers it better.

Nothing fitted permits anything: a task picks a floor and a target, a gain moves a candidate among
those that policy and every hard filter have left (ADR 23).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from transire.domain.ids import DeploymentId

__all__ = ["NOTHING_LEARNED", "Fence", "Learned", "ModelFile", "Reading"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A fitted model on the disk, as the bundle names it.

    Attributes:
        path: An absolute path on the router's machine.
        sha256: Of the file's bytes, in hex; part of the bundle, and so of its digest.
    """

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one prompt was read as; empty where the models are cold or it is unlike their rows.

    Attributes:
        task: The task it is taken for; None where that is not sure enough.
        gains: Deployment → how much better than its catalog quality it is expected to answer this,
            in permille; None where nothing is predicted.
    """

    task: str | None = None
    gains: Mapping[DeploymentId, int] | None = None


NOTHING_LEARNED = Reading()


class Fence(Protocol):
    """What stands between a model and the requests it reads for."""

    @property
    def learned(self) -> "Learned":
        """The model."""

    @property
    def failures(self) -> int:
        """Readings that came to nothing because of the model itself."""


class Learned(Protocol):
    """Reads the last user message of a request; built for one bundle. CPU only, below 1 ms.

    Whoever calls trusts neither what it returns nor that it returns: an exception is an empty
    reading.
    """

    @property
    def drift_permille(self) -> int | None:
        """How far recent prompts are from those it was judged on (`score.quality.drift`).

        None without a predictor, and until enough was seen.
        """

    @property
    def foreign_permille(self) -> int | None:
        """Share of recent prompts unlike any it was fitted on; None as above."""

    def read(self, text: str, task: str | None, domain: str | None) -> Reading:
        """What the text is, and who gains by it.

        Args:
            task: By cue or tag; None lets the text say.
            domain: The caller's own, or None.
        """
