"""Prompts of the bundle: text that is put before a request, under a name and a version.

A prompt is bundle text, not content: two people approved it with the bundle, it stands in no
request digest, and every tier gets the same. What it holds is classified once, when its bundle is
built, and counts for policy like content. INVARIANT (I5): the classes of *every* prompt that an
application may be given are facts of each of its requests, so neither a task that a caller names
nor a variant that an experiment draws can open a deployment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from transire.domain.ids import ApplicationId, DataClass

__all__ = ["Binding", "BundleText", "Prompt", "PromptReading", "PromptShelf"]

_AROUND: Final = 64
"""Bytes of a message besides its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One version of a prompt, as its file has it.

    Attributes:
        role: Of the message it becomes: `system` or `developer`.
        exclusive: A request that brings instructions of its own is refused.
    """

    name: str
    version: int
    role: str
    text: str
    exclusive: bool = False

    @property
    def ref(self) -> str:
        """How it is bound and recorded: `support@3`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Which prompt an application's requests are given, by `name@version`.

    Attributes:
        default: For every task that `tasks` does not name; None is no prompt.
    """

    default: str | None = None
    tasks: Mapping[str, str] = field(default_factory=dict)

    @property
    def refs(self) -> frozenset[str]:
        """Every prompt it can lead to."""
        return frozenset({*self.tasks.values(), *([] if self.default is None else [self.default])})

    def of(self, task: str) -> str | None:
        """The prompt for one task."""
        return self.tasks.get(task, self.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleText:
    """What is known of the bundle's own text in a request; `|` unites two.

    Attributes:
        found, failed, uncovered, reduced: As of a `Classification`.
    """

    found: frozenset[DataClass] = frozenset()
    failed: frozenset[DataClass] = frozenset()
    uncovered: Mapping[DataClass, frozenset[str]] = field(default_factory=dict)
    reduced: frozenset[DataClass] = frozenset()

    def __or__(self, other: "BundleText") -> "BundleText":
        """Everything that is known of either."""
        gaps = dict(self.uncovered)
        for name, modalities in other.uncovered.items():
            gaps[name] = gaps.get(name, frozenset()) | modalities
        return BundleText(
            found=self.found | other.found,
            failed=self.failed | other.failed,
            uncovered=gaps,
            reduced=self.reduced | other.reduced,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptReading:
    """A prompt as the detector of its bundle has read it.

    Attributes:
        digest: Keyed digest of role and text.
        tokens: Estimated upwards, as those of a body.
        text: What is known of it.
        detector: Digest of what read it.
    """

    prompt: Prompt
    digest: bytes
    tokens: int
    text: BundleText
    detector: str

    @property
    def size_bytes(self) -> int:
        """The most its message adds to a body: every byte may be escaped."""
        return 6 * len(self.prompt.text.encode()) + _AROUND

    def to_json(self) -> dict[str, str]:
        """The prompt as an entry names it."""
        return {"ref": self.prompt.ref, "mac": self.digest.hex()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptShelf:
    """The read prompts of one bundle.

    Attributes:
        readings: By `name@version`.
        bindings: Of the applications that are given prompts.
        known: Application → what is known of every prompt that it may be given.
    """

    readings: Mapping[str, PromptReading]
    bindings: Mapping[ApplicationId, Binding]
    known: Mapping[ApplicationId, BundleText]

    def of(self, application: ApplicationId | None, task: str) -> PromptReading | None:
        """The prompt bound to a task of an application; None without one."""
        binding = self.bindings.get(application) if application is not None else None
        ref = None if binding is None else binding.of(task)
        return None if ref is None else self.readings[ref]
