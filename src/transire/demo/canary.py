"""A canary of a bad prompt version, which takes itself back while one watches.

The demo's bundle holds what the starter pack does not: an application that makes tickets, and two
versions of its prompt. Half of the tickets are given `tickets@2`, which wants numbers in words. The
small model obeys, and its tickets break their schema. No caller notices, because another deployment
is asked; the counts do, and the variant is rolled back by an entry that nothing undoes: a second
run on the same folder finds it gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from transire.api.serve import Listening
from transire.demo.scene import Scene
from transire.demo.situations import TICKET
from transire.domain.trial import CONTROL, rollback_key
from transire.observe.logging import configure_logging

__all__ = ["canary_files", "play_canary"]

_APPLICATION: Final = "tickets"
_EXPERIMENT: Final = "ticket-tone"
_VARIANT: Final = "warm"
_MOST: Final = 150
"""Tickets after which something must be wrong: some 25 are enough."""
_AFTER: Final = 5
"""Tickets that are sent once it is rolled back."""
_NAMES: Final = 12
_FILES: Final[Mapping[str, Any]] = {
    "catalog/tickets.yaml": {
        "applications": {
            _APPLICATION: {
                "tenant": "acme",
                "purposes": ["support"],
                "stakes": "limited",
                "entitlements": ["premium"],
                "unknown_fields": "omit",
                "prompt": "tickets@1",
            }
        }
    },
    "prompts/tickets@1.yaml": {"text": "You write tickets for Acme's support. Be brief."},
    "prompts/tickets@2.yaml": {
        "text": "You write tickets for Acme's support. Sound like a person: numbers in words."
    },
    "experiments.yaml": {
        "experiments": {
            _EXPERIMENT: {
                "kind": "canary",
                "applications": [_APPLICATION],
                "unit": "request",
                "variants": {
                    CONTROL: {"share_permille": 500},
                    _VARIANT: {"share_permille": 500, "prompt": "tickets@2"},
                },
                "guard": {"min_samples": 10, "contract_permille": 20},
            }
        }
    },
}


def canary_files() -> Mapping[str, bytes]:
    """What the demo's bundle holds beside the starter pack, by path."""
    return {
        name: yaml.safe_dump(document, sort_keys=False).encode()
        for name, document in _FILES.items()
    }


@dataclass(slots=True)
class _Watched:
    """First answers by variant, in order: whether each kept its contract."""

    kept: dict[str, list[bool]] = field(default_factory=lambda: {CONTROL: [], _VARIANT: []})

    def lines(self, console: Console) -> Group:
        good, bad = ("*", "x") if console.options.ascii_only else ("●", "✗")
        return Group(*(_line(name, row, good, bad) for name, row in self.kept.items()))


def _line(name: str, row: list[bool], good: str, bad: str) -> Text:
    line = Text(f"  {name}".ljust(_NAMES))
    for is_kept in row:
        line.append(good if is_kept else bad, style="green" if is_kept else "red")
    broken = row.count(False)
    return line.append(f"  {len(row)} tickets, {broken} broken at first", style="dim")


async def play_canary(scene: Scene, listening: Listening) -> None:
    """Send tickets until the variant is rolled back, show its entry, and send some more."""
    console, watched, count = scene.console, _Watched(), 0
    console.print(Text("\na canary: prompt tickets@2 for half of the tickets", style="bold"))
    # The router warns of what is shown here anyway.
    configure_logging(level="error")
    with Live(watched.lines(console), console=console, transient=True) as live:
        digest = await _ticket(scene, watched, count)
        key = rollback_key(digest, _VARIANT)
        was_gone = listening.installation.log.peek(key) is not None
        while listening.installation.log.peek(key) is None:
            if (count := count + 1) > _MOST:
                raise RuntimeError("the canary was not rolled back")
            live.update(watched.lines(console))
            await _ticket(scene, watched, count)
    configure_logging(level="warning")
    if was_gone:
        _say(console, "an earlier run has rolled it back; nothing undoes that")
    else:
        console.print(watched.lines(console))  # once more, as not everything is a terminal
    await _say_rolled_back(console, listening)
    later = _Watched()
    for number in range(_AFTER):
        await _ticket(scene, later, count + number)
    if later.kept[_VARIANT]:
        raise RuntimeError("a variant was drawn after it had been rolled back")
    _say(console, f"the next {_AFTER} tickets were all control; no caller ever got a broken one")


async def _ticket(scene: Scene, watched: _Watched, number: int) -> str:
    """Send one and note how its first attempt ended; returns the experiment's digest."""
    prompt = f"Make a ticket of this: parcel {number} has not arrived."
    answer = await scene.chat(_APPLICATION, prompt, TICKET)
    if answer.status != 200:
        raise RuntimeError(f"a ticket was answered with {answer.status}")
    entries = await scene.entries(answer.headers["x-transire-decision-id"])
    draw = entries[0]["experiment"]
    first = next(e for e in entries if e["kind"] == "outcome" and e["attempt"] == 1)
    watched.kept[draw["variant"]].append(first["status"] == "ok")
    return str(draw["digest"])


async def _say_rolled_back(console: Console, listening: Listening) -> None:
    """The entry itself, from the log: it is the installation's own, and no tenant's."""
    await listening.installation.recorder.flush()
    page = await listening.installation.projection.tail(
        before=None, limit=1, tenant=None, kind="experiment.rolled_back"
    )
    index, entry = page.entries[0]
    _say(
        console,
        f"entry #{index} experiment.rolled_back: {entry['variant']} is worse by "
        f"`{entry['metric']}`, {entry['bad']} of {entry['attempts']} against "
        f"{entry['control_bad']} of {entry['control_attempts']}",
    )


def _say(console: Console, told: str) -> None:
    console.print(Text(f"  {told}", style="dim"), soft_wrap=True)
