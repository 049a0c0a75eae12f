"""What stands in JSON is found whatever its escapes put before it."""

from collections.abc import Iterator
from contextlib import closing

import orjson
import pytest

from transire.cli.reader import BundleReader


@pytest.fixture(scope="module")
def detector() -> Iterator[BundleReader]:
    with closing(BundleReader(None)) as made:
        yield made


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ("AKIA" + "2E4Q7RT3XYZWUVKL", "SECRET"),
        ("CVE-2026-12345", "VULNERABILITY"),
        ("4111 1111 1111 1111", "CREDIT_CARD"),
        ("DE89370400440532013000", "IBAN_CODE"),
        ("STRICTLY CONFIDENTIAL", "CONFIDENTIAL_MARKING"),
    ],
)
@pytest.mark.parametrize("before", ["\n", "\t", "x\n", '"', "\\"])
def test_an_escape_before_it_hides_nothing(
    detector: BundleReader, text: str, entity: str, before: str
) -> None:
    arguments = orjson.dumps({"note": f"see{before}{text}"}).decode()

    assert entity in {finding["entity"] for finding in detector.read(arguments)["findings"]}
