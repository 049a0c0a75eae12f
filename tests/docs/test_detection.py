"""The page of what detection finds and does not find says so of this very detector."""

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.conftest import REPOSITORY

from transire.cli.reader import BundleReader

PAGE = (REPOSITORY / "docs" / "reference" / "detection.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[tuple[str, str]]:
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \| ([^|:]+?)(?::[^|]*)? \|$", section, re.MULTILINE)


@pytest.fixture(scope="module")
def detector() -> Iterator[BundleReader]:
    with closing(BundleReader(None)) as made:
        yield made


@pytest.mark.parametrize(("text", "entity"), rows("Found"))
def test_what_the_page_calls_found_is_found(detector: BundleReader, text: str, entity: str) -> None:
    assert entity in {finding["entity"] for finding in detector.read(text)["findings"]}


@pytest.mark.parametrize(("text", "entity"), rows("Read and not found"))
def test_what_the_page_calls_missed_is_missed(
    detector: BundleReader, text: str, entity: str
) -> None:
    """One of these that is found one day is a line for the other table."""
    assert entity not in {finding["entity"] for finding in detector.read(text)["findings"]}


def test_both_tables_were_read() -> None:
    assert len(rows("Found")) > 20
    assert len(rows("Read and not found")) > 5
