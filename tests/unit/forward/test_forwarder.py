"""A permit is spent once, in time, for its own deployment and bytes, or nothing leaves."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.score.fleets import deployment

from transire.domain.authorization import Form, Pair
from transire.domain.deployment import Deployment
from transire.domain.ids import BundleDigest, DecisionId, DeploymentId
from transire.domain.log import Receipt
from transire.domain.outward import Wire
from transire.domain.permit import Permit, Recorded
from transire.errors import IntegrityError, StaleError, TransireError, UpstreamError
from transire.forward.forwarder import OpenAIForwarder
from transire.outbound.client import OutboundError


class Keys:
    def digest(self, purpose: str, data: bytes) -> bytes:
        return hashlib.sha256(purpose.encode() + data).digest()

    def derive(self, purpose: str) -> bytes:
        return hashlib.sha256(purpose.encode()).digest()


class Wires:
    """Counts what would have been connected to; answers nothing."""

    def __init__(self) -> None:
        self.posted: list[str] = []
        self.sent: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def post(self, url: str, *_: Any, before: Callable[[], None], **__: Any) -> Any:
        self.posted.append(url)
        self.meanwhile()
        before()
        self.sent.append(url)
        raise OutboundError("connect")


class Desk:
    """A forwarder with a permit that it would take."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.wires = clock, Wires()
        self.moved: TransireError | None = None
        self.place: Deployment = deployment("a")
        self.wire = Wire(deployment=self.place, body=b"{}", digest=Keys().digest("wire", b"{}"))
        permit = Permit(
            decision_id=DecisionId("dec_1"),
            attempt=1,
            cause="first",
            pair=Pair(deployment=self.place.id, form=Form.RAW),
            content_digest=b"c",
            wire_digest=self.wire.digest,
            bundle_digest=BundleDigest("b"),
            quarantine_version=0,
            expires_at=clock.now() + timedelta(seconds=5),
        )
        receipt = Receipt(
            entry_id="ent_1", index=0, tree_size=1, leaf_hash=b"", origin="o", checkpoint=""
        )
        self.recorded = Recorded(value=permit, receipt=receipt)
        outbound: Any = self.wires
        self.forwarder = OpenAIForwarder(
            outbound, keyed=Keys(), secret=lambda _: None, vouch=self.vouch, clock=clock
        )

    def vouch(self, _: Recorded[Permit]) -> None:
        if self.moved is not None:
            raise self.moved

    async def send(self) -> None:
        await self.forwarder.send(self.recorded, self.wire, is_stream=False, timeout_s=1)

    def altered(self, **changes: Any) -> Recorded[Permit]:
        return replace(self.recorded, value=replace(self.recorded.value, **changes))


@pytest.fixture
def desk(clock: FakeClock) -> Desk:
    return Desk(clock)


async def test_a_good_permit_reaches_its_deployment_and_no_second_time(desk: Desk) -> None:
    with pytest.raises(UpstreamError):
        await desk.send()
    with pytest.raises(IntegrityError, match="spent"):
        await desk.send()

    assert desk.wires.posted == [f"{desk.place.address}/chat/completions"]


def _expire(desk: Desk) -> None:
    desk.clock.advance(5)


def _move(desk: Desk) -> None:
    desk.moved = StaleError("another bundle was activated")


def _other_place(desk: Desk) -> None:
    desk.recorded = desk.altered(pair=Pair(deployment=DeploymentId("b"), form=Form.RAW))


def _other_bytes(desk: Desk) -> None:
    desk.wire = replace(desk.wire, body=b'{"more":1}')


def _other_digest(desk: Desk) -> None:
    desk.wire = replace(desk.wire, body=b"x", digest=Keys().digest("wire", b"x"))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (_expire, StaleError),
        (_move, StaleError),
        (_other_place, IntegrityError),
        (_other_bytes, IntegrityError),
        (_other_digest, IntegrityError),
    ],
)
async def test_nothing_leaves_on_any_other_permit(
    desk: Desk, change: Callable[[Desk], None], error: type[TransireError]
) -> None:
    change(desk)
    with pytest.raises(error):
        await desk.send()

    assert desk.wires.posted == []


@pytest.mark.parametrize("change", [_expire, _move])
async def test_nothing_leaves_where_the_permit_falls_while_the_connection_is_opened(
    desk: Desk, change: Callable[[Desk], None]
) -> None:
    desk.wires.meanwhile = lambda: change(desk)
    with pytest.raises(StaleError):
        await desk.send()

    assert len(desk.wires.posted) == 1
    assert desk.wires.sent == []
