"""The protected pack: limits every bundle must hold, word for word.

`rules/limits/` says what no installation may drop: credentials go to nobody, and what the
detector could not say is treated like danger or like a known gap (ADR 5). Bundles may add
rules; a forbid that is present cannot be weakened by any permit, so presence is enough.
"""

from functools import cache
from pathlib import Path

from transire.bundle.rules import Rule, read_rules
from transire.errors import BundleError

__all__ = ["missing_limits", "pack_folder"]


def pack_folder() -> Path:
    """The starter pack: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "pack", package.parents[1] / "policies"):
        if (folder / "taxonomy.yaml").is_file():
            return folder
    raise BundleError(["the starter pack is missing from this installation; reinstall it"])


def missing_limits(rules: list[Rule]) -> list[str]:
    """Protected rules the bundle lacks or changed."""
    texts = {rule.id: _normal(rule.text) for rule in rules}
    return [
        f"rules/limits: `{identifier}` is protected and is missing or was changed"
        for identifier, text in _protected().items()
        if texts.get(identifier) != text
    ]


@cache
def _protected() -> dict[str, str]:
    folder = pack_folder()
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.glob("rules/limits/*.cedar"))
    }
    if not files:
        raise BundleError(["the starter pack holds no rules/limits; reinstall it"])
    return {rule.id: _normal(rule.text) for rule in read_rules(files)}


def _normal(text: str) -> str:
    return " ".join(text.split())
