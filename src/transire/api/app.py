"""The application: routes, error shapes, and the order of starting and stopping."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from transire import __version__
from transire.api.chat import ChatEndpoint, ModelsEndpoint
from transire.api.decisions import AdviceEndpoint
from transire.api.errors import openai_error, problem
from transire.api.govern import build_router
from transire.api.openapi import hot_paths
from transire.bootstrap import Installation
from transire.errors import GovernanceUnavailable, NotFoundError, RequestError, TransireError

__all__ = ["build_admin", "build_app"]

_log = structlog.get_logger()
_OPENAI_SHAPED: Final = ("/v1/chat/", "/v1/models", "/v1/completions", "/v1/embeddings")


def build_app(installation: Installation) -> FastAPI:
    """The public API over one installation."""

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
    )
    # The hot routes are Starlette's own: FastAPI's parameter machinery costs more than the scorer.
    app.router.routes += [
        Route("/v1/chat/completions", _plain(ChatEndpoint(installation)), methods=["POST"]),
        Route("/v1/decisions", _plain(AdviceEndpoint(installation)), methods=["POST"]),
        Route("/v1/models", _plain(ModelsEndpoint(installation)), methods=["GET"]),
        Route("/v1/models/{name:path}", _plain(ModelsEndpoint(installation)), methods=["GET"]),
    ]
    app.include_router(build_router(installation))
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
        installation.metrics.in_flight.set(installation.admission.in_flight)
        return PlainTextResponse(installation.metrics.render())

    return admin


def _plain(endpoint: Any) -> Any:
    """Starlette treats instances as ASGI applications; a function makes it a handler."""

    async def handle(request: Request) -> Response:
        response: Response = await endpoint(request)
        return response

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
        problems = [] if it.log.is_ready else ["log"]
        body = {
            "status": "unready" if problems else "degraded" if missing else "ok",
            "problems": problems,
            "bundle": governed.bundle.digest,
            "mode": it.log.peek("bundle/mode"),
            "detector": governed.detector.digest,
            "uncovered_classes": missing,
            "quarantine_version": governed.quarantine.version,
        }
        return JSONResponse(body, 503 if problems else 200)

    @app.get("/openapi.json", tags=["health"])
    async def openapi() -> dict[str, Any]:
        """This API, OpenAPI 3.1."""
        document = app.openapi()
        document["paths"] = {**hot_paths(), **document["paths"]}
        return document


def _shaped(request: Request, error: TransireError) -> Response:
    if request.url.path.startswith(_OPENAI_SHAPED):
        return openai_error(error)
    return problem(error)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TransireError)  # registered for it
    return _shaped(request, error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # registered for it
    # Only places and kinds: the input may be content (DESIGN I6).
    where = sorted({".".join(str(s) for s in item["loc"][1:])[:80] for item in error.errors()})
    return _shaped(request, RequestError(f"these fields are wrong or missing: {', '.join(where)}"))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # registered for it
    if error.status_code == 404:
        return _shaped(request, NotFoundError("no such route; GET /openapi.json lists them"))
    refused = RequestError(f"this route does not take {request.method}")
    response = _shaped(request, refused)
    response.status_code = error.status_code
    return response


async def _on_unexpected(request: Request, error: Exception) -> Response:
    # The type's name alone: an exception's text may quote content.
    _log.error("api.unexpected_error", kind=type(error).__name__)
    return _shaped(request, GovernanceUnavailable("an unexpected error stopped the request"))
