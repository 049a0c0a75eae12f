"""What differs between two bundles, in text and in a line."""

import pytest

from transire.bundle.limits import pack_folder
from transire.bundle.source import read_folder
from transire.workbench.diff import summarize, unified

PACK = read_folder(pack_folder())


def changed(name: str, old: str, new: str) -> dict[str, bytes]:
    text = PACK[name].decode()
    assert old in text
    return {**PACK, name: text.replace(old, new, 1).encode()}


def test_equal_bundles_differ_in_nothing() -> None:
    assert list(unified(PACK, dict(PACK), ("a", "b"))) == []
    assert summarize(PACK, PACK) == "nothing that is governed differs"


def test_a_comment_differs_in_text_and_governs_nothing() -> None:
    new = {**PACK, "routing.yaml": PACK["routing.yaml"] + b"\n# a remark\n"}

    assert "+# a remark" in list(unified(PACK, new, ("active", "policies")))
    assert summarize(PACK, new) == "nothing that is governed differs"


def test_a_file_that_is_new_or_gone_is_one_side_of_nothing() -> None:
    new = {**PACK, "rules/own.cedar": b"// mine\n"}

    assert list(unified(PACK, new, ("a", "b")))[:2] == ["--- /dev/null", "+++ b/rules/own.cedar"]
    assert list(unified(new, PACK, ("a", "b")))[:2] == ["--- a/rules/own.cedar", "+++ /dev/null"]


_PEOPLE, _FLEET, _RULES = "catalog/people.yaml", "catalog/deployments.yaml", "rules/tiers.cedar"


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (changed(_PEOPLE, "  ana: ", "  anna: "), "people: +anna -ana"),
        (changed(_FLEET, "latency_ms: 450", "latency_ms: 460"), "deployments: ~eu-economy"),
        (changed(_RULES, '@reason("', '@reason("Really: '), "policies: ~tiers."),
        (changed("taxonomy.yaml", "names: accurate", "names: fast"), "settings: ~detector"),
    ],
)
def test_what_was_added_removed_or_changed_is_named_by_kind(
    new: dict[str, bytes], says: str
) -> None:
    assert says.removesuffix("tiers.") in summarize(PACK, new)


def test_a_side_that_does_not_compile_is_told_with_its_place() -> None:
    broken = {**PACK, "rules/own.cedar": b"permit ("}

    assert summarize(PACK, broken).startswith("the second does not compile: rules/own.cedar")
    assert summarize(broken, PACK).startswith("the first does not compile: rules/own.cedar")
