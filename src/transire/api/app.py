"""The application: routes, error shapes, and the order of starting and stopping."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias, cast

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from transire import __version__
from transire.api.asker import person_of
from transire.api.audit import add_audit, add_decisions, add_erasures
from transire.api.budgets import add_budgets
from transire.api.cache import add_cache
from transire.api.chat import ChatEndpoint
from transire.api.decisions import AdviceEndpoint
from transire.api.errors import UNREADABLE_BODY, invalid_body, openai_error, problem
from transire.api.feedback import add_feedback
from transire.api.intake import declared_size, known_query
from transire.api.models import ModelsEndpoint
from transire.api.openapi import hot_paths
from transire.api.people import add_keys, add_people
from transire.api.policies import add_bundles, add_mode, add_quarantine
from transire.api.reviews import add_reviews
from transire.errors import NotFoundError, RequestError, TooLargeError, TransireError
from transire.installation import Installation
from transire.unforeseen import as_refusal

__all__ = ["FrontDoor", "build_admin", "build_app", "described"]

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

_MAX_ACT_BYTES: Final = 64 * 1024
_MAX_BUNDLE_BYTES: Final = 16 * 1024 * 1024
_OPENAI_SHAPED: Final = ("/v1/chat/", "/v1/models", "/v1/completions", "/v1/embeddings")
_ADVICE: Final = "/v1/decisions"
"""Asked with the body of a chat call, and refused as one; what is below it tells of decisions."""


class FrontDoor:
    """The public API: the two routes of the path at once, everything else through FastAPI.

    FastAPI's layers (exit stacks, body limits, telemetry, routing by pattern) cost about as much
    as scoring does; the path's own routes are two exact names, and bring bounds of their own.
    """

    def __init__(
        self, installation: Installation, app: FastAPI, path: Mapping[str, Endpoint]
    ) -> None:
        self._installation = installation
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection's event, as ASGI asks."""
        endpoint = None
        if scope["type"] == "http" and scope["method"] == "POST":
            endpoint = self._path.get(scope["path"])
        if endpoint is None:
            refused = self._refuse_body(scope) if scope["type"] == "http" else None
            await (refused or self._app)(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await endpoint(request)
        except Exception as error:  # noqa: BLE001 - never a bare 500, whatever breaks
            response = await _on_unexpected(request, error)
        await response(scope, receive, send)

    def _refuse_body(self, scope: Scope) -> Response | None:
        """Everything but the path takes small bodies, and larger ones from people we know alone.

        FastAPI reads and parses a body before it asks who sent it.
        """
        request = Request(scope)
        try:
            size = declared_size(request)
            if "transfer-encoding" in request.headers or size is None:
                raise RequestError("this route wants a body with a `content-length`")
            if size > _MAX_BUNDLE_BYTES:
                raise TooLargeError(f"the body may have {_MAX_BUNDLE_BYTES} bytes")
            if size > _MAX_ACT_BYTES:
                person_of(self._installation, request)
        except TransireError as error:
            return _shaped(request, error)
        return None


def build_app(installation: Installation) -> FrontDoor:
    """The public API over one installation."""
    path: dict[str, Endpoint] = {
        "/v1/chat/completions": ChatEndpoint(installation),
        _ADVICE: AdviceEndpoint(installation),
    }
    app = _build_rest(installation)
    for name in path:
        app.router.routes.append(Route(name, _wrong_method, methods=["POST"]))
    return FrontDoor(installation, app, path)


def _build_rest(installation: Installation) -> FastAPI:

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await installation.start()
        yield
        await installation.close()

    app = FastAPI(
        title="transire",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.router.routes += [
        Route("/v1/models", _plain(ModelsEndpoint(installation)), methods=["GET"]),
        Route("/v1/models/{name:path}", _plain(ModelsEndpoint(installation)), methods=["GET"]),
    ]
    router = APIRouter(dependencies=[Depends(known_query)])
    for add in (
        add_people,
        add_keys,
        add_budgets,
        add_cache,
        add_bundles,
        add_mode,
        add_quarantine,
        add_reviews,
        add_audit,
        add_erasures,
        add_decisions,
        add_feedback,
    ):
        add(router, installation)
    app.include_router(router)
    _health(app, installation)
    app.add_exception_handler(TransireError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_unexpected)
    return app


def build_admin(installation: Installation) -> FastAPI:
    """The operators' listener: metrics; loopback unless configured."""
    admin = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @admin.get("/metrics")
    async def metrics() -> PlainTextResponse:
        installation.metrics.log_queue_depth.set(installation.log.depth)
        installation.metrics.unwritten_entries.set(installation.recorder.unwritten)
        installation.metrics.in_flight.set(installation.admission.in_flight)
        return PlainTextResponse(installation.metrics.render())

    return admin


async def _wrong_method(_request: Request) -> Response:
    """Stands in the table so that other methods get 405; `FrontDoor` answers the right one."""
    raise AssertionError("unreachable")


def _plain(endpoint: Endpoint) -> Endpoint:
    """Starlette treats instances as ASGI applications; a function makes it a handler."""

    async def handle(request: Request) -> Response:
        return await endpoint(request)

    return handle


def _health(app: FastAPI, it: Installation) -> None:
    @app.get("/livez", tags=["health"])
    async def livez() -> dict[str, str]:
        """The process runs."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    async def readyz() -> Response:
        """A bundle is active and the log accepts entries; lists what is degraded."""
        governed = it.governed
        missing = sorted(getattr(governed.detector, "missing", ()))
        locked = it.missing_credentials()
        problems = [] if it.log.is_ready else ["log"]
        behind = it.projection.behind
        unwritten = it.recorder.unwritten
        unwell = it.health.unwell() & governed.bundle.catalog.deployments.keys()
        is_degraded = missing or locked or behind is not None or unwritten or unwell
        body = {
            "status": "unready" if problems else "degraded" if is_degraded else "ok",
            "problems": problems,
            "bundle": governed.bundle.digest,
            "mode": it.log.peek("bundle/mode"),
            "detector": governed.detector.digest,
            "uncovered_classes": missing,
            "missing_credentials": locked,
            "unwell_deployments": len(unwell),
            "quarantine_version": governed.quarantine.version,
            "index_complete_to": behind,
            "unwritten_entries": unwritten,
        }
        return JSONResponse(body, 503 if problems else 200)

    @app.get("/openapi.json", tags=["health"])
    async def openapi() -> dict[str, Any]:
        """This API, OpenAPI 3.1."""
        return _described(app)


def described() -> dict[str, Any]:
    """This API as `/openapi.json` tells it, without an installation (`schemas/openapi.json`)."""
    # Routes are built over an installation and look at it when a request comes.
    return _described(_build_rest(cast("Installation", None)))


def _described(app: FastAPI) -> dict[str, Any]:
    document = app.openapi()
    return {**document, "paths": {**hot_paths(), **document["paths"]}}


def _shaped(request: Request, error: TransireError) -> Response:
    path = request.url.path
    if path == _ADVICE or path.startswith(_OPENAI_SHAPED):
        return openai_error(error)
    return problem(error)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TransireError)  # registered for it
    return _shaped(request, error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # registered for it
    return _shaped(request, RequestError(invalid_body(error.errors())))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # registered for it
    if error.status_code == 404:
        if request.url.path.startswith("/v1/"):  # SDKs show the words of this shape alone
            return openai_error(
                NotFoundError(
                    "no such route; chat is `POST /v1/chat/completions`, and GET /openapi.json "
                    "lists them all"
                )
            )
        return _shaped(request, NotFoundError("no such route; GET /openapi.json lists them"))
    if error.status_code == 400:
        # The framework's one word for a body its parser gave up on: too deep, or not UTF-8.
        return _shaped(request, RequestError(UNREADABLE_BODY))
    refused = RequestError(f"this route does not take {request.method}")
    response = _shaped(request, refused)
    response.status_code = error.status_code
    response.headers.update(error.headers or {})
    return response


async def _on_unexpected(request: Request, error: Exception) -> Response:
    return _shaped(request, as_refusal(error))
