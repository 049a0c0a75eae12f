"""The bundle's prompt on its way into a request: bound, put first, and bound again. Pure.

INVARIANT (I5): what is bound is what the bundle says of the application and the task that was
judged; a caller names neither a prompt nor a version.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from transire.domain.bundle import Bundle
from transire.domain.classification import Classification
from transire.domain.governed import Detector, Governed
from transire.domain.prompt import BundleText, PromptReading, PromptShelf
from transire.domain.request import Body, Pointer, RoutingRequest
from transire.errors import RequestError, StaleError

__all__ = ["bound", "fill_shelf", "given", "prompted", "rebound"]

_INSTRUCTING: Final = frozenset({"system", "developer"})
_READINGS: Final = 3
"""How often a prompt is read while some recognizer fails: at start the workers are still cold."""


async def fill_shelf(bundle: Bundle, detector: Detector) -> PromptShelf | None:
    """Read every prompt that something binds or tries; None where nothing does."""
    bindings = {
        name: application.prompts
        for name, application in bundle.catalog.applications.items()
        if application.prompts is not None
    }
    refs = {name: binding.refs for name, binding in bindings.items()}
    for experiment in bundle.experiments:
        tried = frozenset(v.prompt for v in experiment.variants if v.prompt is not None)
        for name in bundle.catalog.applications:
            if tried and experiment.applies_to(name):
                refs[name] = refs.get(name, frozenset()) | tried
    wanted = sorted(frozenset[str]().union(*refs.values()))
    if not wanted:
        return None
    readings = {ref: await _read(bundle, ref, detector) for ref in wanted}
    return PromptShelf(
        readings=readings,
        bindings=bindings,
        known={name: _united(readings, of) for name, of in refs.items()},
    )


def bound(
    request: RoutingRequest, classification: Classification, governed: Governed
) -> RoutingRequest:
    """The request with the prompt that its application and task are given.

    Raises:
        RequestError: the prompt is exclusive, and the request brings its own instructions.
    """
    shelf, application = governed.prompts, request.principal.application
    if shelf is None or application is None or application not in shelf.known:
        return request
    text = shelf.known[application]
    reading = shelf.of(application, classification.signals.task)
    return given(replace(request, bundle_text=text), reading)


def given(request: RoutingRequest, reading: PromptReading | None) -> RoutingRequest:
    """The request with this prompt and no other.

    Raises:
        RequestError: as of `bound`.
    """
    if reading is not None and reading.prompt.exclusive:
        messages: Any = request.body.fields.get("messages", ())
        for at, message in enumerate(messages):
            if message.get("role") in _INSTRUCTING:
                raise RequestError(
                    f"this application's instructions are the bundle's (`{reading.prompt.ref}`): "
                    f"leave out `messages[{at}]`, whose role is `{message['role']}`",
                    param=f"messages[{at}]",
                )
    return replace(request, prompt=reading)


async def rebound(request: RoutingRequest, current: Governed) -> RoutingRequest:
    """The request before a later attempt: its prompt as of now (I3).

    Raises:
        StaleError: the active bundle does not hold this prompt any more.
    """
    reading, text = request.prompt, request.bundle_text
    if text is None:
        return request
    shelf, application = current.prompts, request.principal.application
    if reading is not None and shelf and shelf.readings.get(reading.prompt.ref) is reading:
        return request
    now = None if shelf is None or application is None else shelf.known.get(application)
    if reading is None:
        return request if now is None else replace(request, bundle_text=text | now)
    again = None if shelf is None else shelf.readings.get(reading.prompt.ref)
    if again is None or again.prompt != reading.prompt:
        raise StaleError("the active bundle does not hold the prompt this request was given")
    return replace(request, prompt=again, bundle_text=text | again.text | (now or BundleText()))


def prompted(body: Body, reading: PromptReading | None) -> Body:
    """The body with the prompt's message first; everything else moves by one.

    A caller's own instructions stay where they were, behind the bundle's.
    """
    if reading is None:
        return body
    prompt = reading.prompt
    rest: Any = body.fields.get("messages", ())
    first: Mapping[str, str] = {"role": prompt.role, "content": prompt.text}
    return replace(
        body,
        fields={**body.fields, "messages": [first, *rest]},
        parts=tuple(replace(part, pointer=_moved(part.pointer)) for part in body.parts),
        carried=tuple((_moved(pointer), name) for pointer, name in body.carried),
        size_bytes=body.size_bytes + reading.size_bytes,
        tokens_estimate=body.tokens_estimate + reading.tokens,
    )


def _moved(pointer: Pointer) -> Pointer:
    if len(pointer) > 1 and pointer[0] == "messages" and isinstance(pointer[1], int):
        return ("messages", pointer[1] + 1, *pointer[2:])
    return pointer


async def _read(bundle: Bundle, ref: str, detector: Detector) -> PromptReading:
    reading = await detector.read_prompt(bundle.prompts[ref])
    for _ in range(_READINGS - 1):
        if not reading.text.failed:
            break
        reading = await detector.read_prompt(bundle.prompts[ref])
    return reading


def _united(readings: Mapping[str, PromptReading], refs: frozenset[str]) -> BundleText:
    known = BundleText()
    for ref in sorted(refs):
        known |= readings[ref].text
    return known
