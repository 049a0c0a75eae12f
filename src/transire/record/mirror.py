"""The log's committed state in memory, by the first word of its keys.

`review/…` alone grows for ever; who looks through `invite/` or `open-review/` must not walk it.
The writer's thread puts, any thread reads: every step is one operation of a dict.
"""

from collections.abc import Mapping

__all__ = ["Mirror"]


class Mirror:
    """Key → value; what `LogWriter` has committed, and nothing that may yet fail."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._spaces: dict[str, dict[str, str]] = {}
        self.replace(values)

    def replace(self, values: Mapping[str, str]) -> None:
        """Hold these values and no others; who reads meanwhile sees all old or all new ones."""
        spaces: dict[str, dict[str, str]] = {}
        for key, value in values.items():
            spaces.setdefault(_space_of(key), {})[key] = value
        self._spaces = spaces

    def get(self, key: str) -> str | None:
        """The value, or None where there is none."""
        return self._spaces.get(_space_of(key), {}).get(key)

    def put(self, key: str, value: str | None) -> None:
        """Set a value; None deletes."""
        space = self._spaces.setdefault(_space_of(key), {})
        if value is None:
            space.pop(key, None)
        else:
            space[key] = value

    def scan(self, prefix: str) -> list[tuple[str, str]]:
        """Keys with this prefix, sorted, with their values.

        Args:
            prefix: Holds a `/`, and so lies within one word.
        """
        space = self._spaces.get(_space_of(prefix), {})
        return sorted((key, value) for key, value in list(space.items()) if key.startswith(prefix))


def _space_of(key: str) -> str:
    return key.partition("/")[0]
