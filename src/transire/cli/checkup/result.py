"""One line of a check-up."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Check", "Status", "fail", "ok", "warn", "worst"]


class Status(StrEnum):
    """How it stands, from best to worst."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at, how it stands, what was seen, and what to do where it is not well."""

    name: str
    status: Status
    found: str
    do: str = ""

    def document(self) -> dict[str, str]:
        """As JSON."""
        return {"check": self.name, "status": self.status, "found": self.found, "do": self.do}


def ok(name: str, found: str) -> Check:
    """All is well."""
    return Check(name=name, status=Status.OK, found=found)


def warn(name: str, found: str, do: str) -> Check:
    """The router serves, but somebody should look."""
    return Check(name=name, status=Status.WARN, found=found, do=do)


def fail(name: str, found: str, do: str) -> Check:
    """The router will not serve, or will not do what it promises."""
    return Check(name=name, status=Status.FAIL, found=found, do=do)


def worst(checks: Iterable[Check]) -> Status:
    """The worst status of any."""
    order = list(Status)
    return max((check.status for check in checks), key=order.index, default=Status.OK)
