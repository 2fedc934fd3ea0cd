"""``/v2``: the Open Inference Protocol."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

import lopore
from lopore.audit.facts import tensor_draft

from . import protocol
from .batching import ModelWorker
from .recording import BY, receipts_header
from .service import Service


def server_router(service: Service) -> APIRouter:
    """Health and description of the server, under ``/v2``."""
    router = APIRouter(prefix="/v2", tags=["open inference protocol"])

    @router.get("/health/live")
    async def live() -> dict[str, bool]:
        """The process answers."""
        return {"live": True}

    @router.get("/health/ready")
    async def ready() -> Response:
        """Every model has answered a real prediction, and the service does not stop."""
        return JSONResponse({"ready": service.ready}, status_code=200 if service.ready else 503)

    @router.get("")
    async def server() -> dict[str, Any]:
        """Name, version and extensions of the server."""
        return {"name": "lopore", "version": lopore.__version__, "extensions": ["binary_tensor_data"]}

    return router


def models_router(service: Service) -> APIRouter:
    """The routes of ``/v2/models``."""
    router = APIRouter(prefix="/v2/models", tags=["open inference protocol"])

    @router.get("/{name}")
    async def model(name: str) -> dict[str, Any]:
        """Inputs and outputs of a model."""
        return _metadata(service.pool.worker(name))

    @router.get("/{name}/versions/{version}")
    async def model_version(name: str, version: str) -> dict[str, Any]:
        """Inputs and outputs of a version of a model."""
        return _metadata(service.pool.worker(name, version))

    @router.get("/{name}/ready")
    async def model_ready(name: str) -> Response:
        """Whether a model answers."""
        worker = service.pool.worker(name)
        return JSONResponse({"name": name, "ready": worker.ready}, status_code=200 if worker.ready else 503)

    @router.get("/{name}/versions/{version}/ready")
    async def version_ready(name: str, version: str) -> Response:
        """Whether a version of a model answers."""
        worker = service.pool.worker(name, version)
        return JSONResponse({"name": name, "ready": worker.ready}, status_code=200 if worker.ready else 503)

    @router.post("/{name}/infer")
    async def infer(name: str, request: Request) -> Response:
        """Scores of a batch of preprocessed pixels, as JSON or binary tensors."""
        return await _infer(service, service.pool.worker(name), request)

    @router.post("/{name}/versions/{version}/infer")
    async def infer_version(name: str, version: str, request: Request) -> Response:
        """Scores of a batch by a version of a model."""
        return await _infer(service, service.pool.worker(name, version), request)

    return router


def _metadata(worker: ModelWorker) -> dict[str, Any]:
    return protocol.metadata(worker.model.record, worker.model.folder.title)


async def _infer(service: Service, worker: ModelWorker, request: Request) -> Response:
    asked, tail = protocol.parse(await request.body(), request.headers.get(protocol.HEAD_LENGTH))
    batch = protocol.pixels_of(asked, tail, worker.model.record)
    answers = await service.answer(worker, list(batch), distances=False)
    scores = np.stack([answer.scores for answer in answers])
    body, headers = protocol.respond(asked, worker.model.folder.title, scores)
    if service.recorder.records:
        draft = await service.in_thread(lambda: tensor_draft(worker.model, batch, scores, by=BY))
        headers |= receipts_header(await service.recorded([draft]))
    return Response(body, headers=headers)
