"""Who acts in the demo, and over what: calls of people and applications to the real router."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from transire.outbound.caller import Answer, call, exchange

__all__ = ["Scene"]

_PEOPLE: Final = ("omar", "ana", "ben", "rita", "aud", "priya")
_APPLICATIONS: Final = ("support-triage", "docs-qa", "copilot", "sales", "sandbox", "tickets")
_OUTCOME_TRIES: Final = 200
"""Hundredths of a second an outcome may linger for the next commit."""


@dataclass(slots=True)
class Scene:
    """What the demo knows while it runs.

    Attributes:
        data: The router's own folder, with its log.
        fleet: Deployment → its address; the order is the table's.
        people, keys: Credentials by person, and by application.
    """

    console: Console
    data: Path
    fleet: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    base: str = ""
    is_kept: bool = True

    async def found(self, token: str) -> None:
        """People trade one-use tokens for credentials; an operator mints a key per application.

        Args:
            token: The first person's.
        """
        self.people["omar"] = await self._redeem(token)
        for person in _PEOPLE[1:]:
            invited = await self.act("omar", "POST", f"/v1/people/{person}/invite")
            self.people[person] = await self._redeem(invited["token"])
        for application in _APPLICATIONS:
            body = {"application": application, "days": 30}
            self.keys[application] = (await self.act("omar", "POST", "/v1/keys", body))["key"]

    async def act(
        self, person: str, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """One call as this person, which must succeed."""
        return await asyncio.to_thread(
            call, method, f"{self.base}{path}", credential=self.people[person], body=body
        )

    async def chat(
        self,
        application: str,
        prompt: str,
        more: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One chat request as this application; whatever comes of it."""
        messages = [{"role": "user", "content": prompt}]
        return await asyncio.to_thread(
            exchange,
            "POST",
            f"{self.base}/v1/chat/completions",
            credential=self.keys[application],
            body={"model": "auto", "messages": messages, **more},
            headers=headers,
        )

    async def entries(self, decision_id: str) -> Sequence[dict[str, Any]]:
        """A decision's entries, as an auditor reads them, once each permit has its outcome."""
        for _ in range(_OUTCOME_TRIES):
            told = await self.act("aud", "GET", f"/v1/decisions/{decision_id}")
            found: list[dict[str, Any]] = told["entries"]
            ended = sum(entry["kind"] == "outcome" for entry in found)
            if ended >= sum("permit" in entry for entry in found):
                return found
            await asyncio.sleep(0.01)
        raise RuntimeError(f"an outcome of {decision_id} was not written")

    async def said(self, deployments: Sequence[str]) -> dict[str, str]:
        """What each of these answered last: the fleet remembers, the router does not."""
        told = {}
        for name in deployments:
            url = f"{self.fleet[name]}/_received"
            told[name] = str((await asyncio.to_thread(call, "GET", url, credential=None))["said"])
        return told

    async def _redeem(self, token: str) -> str:
        url = f"{self.base}/v1/people/redeem"
        answer = await asyncio.to_thread(call, "POST", url, credential=None, body={"token": token})
        return str(answer["credential"])

    def keep(self, file: Path) -> None:
        """Write down who is who, for a later run on the same folder; readable by its owner alone.

        Only a demo does that: these people do not exist, and nobody else's data is in there.
        """
        known = {"people": self.people, "keys": self.keys, "fleet": self.fleet}
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as written:
            json.dump(known, written)

    def recall(self, file: Path) -> None:
        """Read what an earlier run has kept.

        Raises:
            ValueError: it is not what `keep` writes.
        """
        known = json.loads(file.read_text())
        try:
            self.people, self.keys, self.fleet = known["people"], known["keys"], known["fleet"]
        except (KeyError, TypeError):
            raise ValueError(f"{file} is not what a demo has written") from None
