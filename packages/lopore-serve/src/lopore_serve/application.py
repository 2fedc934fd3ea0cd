"""The service as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

import lopore
from lopore.errors import ConfigError, DataError, ImageError, LoporeError, ModelError
from lopore.messages import plain

from .batching import BusyError
from .files_routes import files_router
from .film_routes import inspect_router, jobs_router
from .measures import CONTENT_TYPE
from .protocol_routes import models_router, server_router
from .recording import NotRecordedError
from .service import Service, TooSlowError
from .uploads import App, Gate

STATUS: tuple[tuple[type[LoporeError], int], ...] = (
    (BusyError, 503), (NotRecordedError, 503), (TooSlowError, 504), (ModelError, 404), (ImageError, 422),
    (DataError, 400), (ConfigError, 400),
)  # fmt: skip


def create_app(service: Service) -> App:
    """The application; it opens the service's models beside the first requests and finishes what runs at its end."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await run_in_threadpool(service.stop)

    app = FastAPI(
        title="lopore",
        version=lopore.__version__,
        description="Weld defects in radiographs. A demonstration with a person in the loop; it certifies nothing.",
        lifespan=lifespan,
    )
    for router in (files_router, inspect_router, jobs_router, server_router, models_router):
        app.include_router(router(service))

    @app.get("/metrics", tags=["operation"])
    async def metrics() -> Response:
        """Prometheus metrics."""
        return Response(service.measures.text(), media_type=CONTENT_TYPE)

    _answer_errors(app)
    settings = service.settings
    return Gate(app, token=settings.token, max_bytes=settings.max_upload_bytes, measures=service.measures)


def _answer_errors(app: FastAPI) -> None:
    """One line of JSON for each kind of error, never a traceback."""

    @app.exception_handler(LoporeError)
    async def known(_: Request, error: LoporeError) -> JSONResponse:
        status = next((code for kind, code in STATUS if isinstance(error, kind)), 500)
        headers = {"Retry-After": "1"} if status == 503 else None
        return JSONResponse({"error": str(error)}, status_code=status, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def misused(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return JSONResponse({"error": f"{plain(where, 80)}: {plain(first['msg'], 120)}"}, status_code=422)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": plain(error.detail, 160)}, status_code=error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": f"unexpected {type(error).__name__}; please report it"}, status_code=500)
