"""A bug refuses, is logged by its type, and says nothing of what it saw."""

from structlog.testing import capture_logs

from transire.errors import GovernanceUnavailable, PolicyDenied
from transire.observe.fields import admit
from transire.unforeseen import as_refusal


def test_a_bug_refuses_and_only_its_type_is_logged() -> None:
    with capture_logs() as lines:
        refusal = as_refusal(ValueError("CANARY"))

    assert isinstance(refusal, GovernanceUnavailable)
    assert "CANARY" not in str(refusal)
    (line,) = lines
    assert line.pop("log_level") == "error"
    assert admit(line) == {"event": "path.unexpected_error", "error_type": "ValueError"}


def test_a_known_error_is_its_own_refusal_and_no_news() -> None:
    known = PolicyDenied("no")
    with capture_logs() as lines:
        refusal = as_refusal(known)

    assert refusal is known
    assert lines == []
