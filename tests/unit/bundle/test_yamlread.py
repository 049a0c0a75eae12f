import pytest

from transire.bundle.yamlread import read_yaml
from transire.errors import BundleError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("12", 12),
        ("-3", -3),
        ("0.5", 0.5),
        ("010", "010"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("0x1f", "0x1f"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("2026-01-01", "2026-01-01"),
        ("null", None),
        ('"12"', "12"),
    ],
)
def test_a_scalar_means_what_json_would_mean(text: str, value: object) -> None:
    assert read_yaml("f", f"a: {text}\n".encode()).value == {"a": value}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3: `a` stands twice"),
        ("a: &x [1]\nb: *x\n", "f:1: aliases are not allowed"),
        ("- 1\n", "f:1: the top level must be a mapping"),
        ("a: [1\n", "f:2: "),
        ("a: 1\n? [b]\n: 2\n", "f:2: a key must be a plain word"),
        ("a: !!python/object:os.system x\n", "f:1: this value cannot be read"),
        ("a: 1\n---\nb: 2\n", "f:2: "),
        ("a: " + "[" * 5_000, "f:1: not YAML, or nested too deeply"),
        ("a: \x00\n", "f:1: not YAML"),
    ],
)
def test_yaml_with_surprises_is_refused_at_its_line(text: str, problem: str) -> None:
    with pytest.raises(BundleError) as refused:
        read_yaml("f", text.encode())

    assert refused.value.problems[0].startswith(problem)


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(BundleError, match="f:1: the file is not UTF-8"):
        read_yaml("f", b"a: \xff")


def test_a_place_is_known_for_each_value() -> None:
    document = read_yaml("f", b"a:\n  b: 1\n  c:\n    - x\n    - y\n")

    assert document.where(("a", "c", 1)) == "f:5"
    assert document.where(("a", "c", 7, "z")) == "f:3"
