"""The detector of a bundle as the router runs it, in the process of a command."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from transire.bundle.compile import compile_bundle
from transire.bundle.limits import pack_folder
from transire.bundle.source import read_folder
from transire.domain.taxonomy import EntityRule

__all__ = ["BundleReader"]


class BundleReader:
    """Reads texts one by one with a bundle's detector; close it after use.

    Args:
        policies: The folder of the bundle; None is the starter pack.
        keep_all: Keep findings of every score and count, whatever the taxonomy says, to see what
            another threshold would do.
        files: The bundle itself, instead of a folder.
    """

    def __init__(
        self,
        policies: Path | None,
        *,
        keep_all: bool = False,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        from transire.classify.names.finder import NameFinder
        from transire.clock import SystemClock

        files = read_folder(policies or pack_folder()) if files is None else files
        self._bundle = compile_bundle(files).bundle
        self._clock = SystemClock()
        self._runner = asyncio.Runner()
        self._names = NameFinder.load(self._bundle.detector.names, self._clock.monotonic)
        self._detector = self._engine(self._unbounded() if keep_all else self.rules)

    @property
    def digest(self) -> str:
        """Names the detector, as records do (hex)."""
        digest: str = self._detector.digest
        return digest

    @property
    def rules(self) -> Mapping[str, EntityRule]:
        """The taxonomy's rules, as the bundle has them."""
        return self._bundle.taxonomy.entities

    def close(self) -> None:
        """Stop the loop."""
        self._runner.close()

    def missed_at(self, thresholds: Mapping[str, int]) -> frozenset[str]:
        """Entities whose canary is missed once their `min_score_pct` are these."""
        changed = {n: replace(self.rules[n], min_score_pct=t) for n, t in thresholds.items()}
        missed: frozenset[str] = self._engine({**self.rules, **changed}).missed()
        return missed & thresholds.keys()

    def read(self, text: str) -> dict[str, Any]:
        """What is found in a text, as places and names; never the text."""
        return self._told(self._detector, text)

    def read_all(self, text: str) -> dict[str, Any]:
        """The same, with findings of every score and count."""
        return self._told(self._engine(self._unbounded()), text)

    def _unbounded(self) -> dict[str, EntityRule]:
        return {n: replace(r, min_score_pct=0, min_count=1) for n, r in self.rules.items()}

    def _told(self, detector: Any, text: str) -> dict[str, Any]:
        seen = self._runner.run(detector.classify_text(text, "cli"))
        return {
            "findings": [
                {
                    "start": f.start,
                    "end": f.end,
                    "entity": f.entity,
                    "class": f.data_class,
                    "score": f.score_pct / 100,
                    "via": f.via,
                    "by": f.by,
                }
                for f in seen.findings
            ],
            "classes": sorted(self._bundle.taxonomy.class_closure(seen.found)),
            "failed": sorted(seen.failed),
            "uncovered": sorted(seen.uncovered),
        }

    def _engine(self, rules: Mapping[str, EntityRule]) -> Any:
        """A detector under these rules; it shares the name models, which are slow to load."""
        from transire.classify.detector import EngineDetector
        from transire.identity.digests import InstallationKeys

        taxonomy = replace(self._bundle.taxonomy, entities=rules)
        return EngineDetector(
            replace(self._bundle, taxonomy=taxonomy),
            keyed=InstallationKeys(os.urandom(32)),
            clock=self._clock,
            pool=None,
            names=self._names,
        )
