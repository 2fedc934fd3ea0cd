"""``/v1/predict``: images in, the records of the command out."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Annotated, Any

import cv2
import numpy as np
from fastapi import APIRouter, File, Query, UploadFile
from fastapi.responses import JSONResponse, Response

from lopore.audit import Draft
from lopore.audit.facts import prediction_draft
from lopore.errors import ConfigError, DataError, ImageError
from lopore.inference.explain import choose_explainer, explain
from lopore.inference.overlay import draw_overlay
from lopore.inference.predict import Prepared, describe_prepared, prepare
from lopore.messages import plain

from .batching import ModelWorker
from .recording import BY, receipts_header
from .service import Service

MOST_FILES = 256


def files_router(service: Service) -> APIRouter:
    """Models and images over a service."""
    router = APIRouter(prefix="/v1", tags=["files"])

    @router.get("/models")
    async def models() -> list[dict[str, Any]]:
        """The models that are served, and those that could not be opened."""
        found: list[dict[str, Any]] = [
            {"model": one.model.folder.title, "task": one.model.record.task, "classes": list(one.model.record.classes)}
            for one in service.pool.workers.values()
        ]
        return found + [{"model": title, "problem": why} for title, why in service.pool.problems.items()]

    @router.post("/predict")
    async def predict(
        file: Annotated[list[UploadFile], File(description="One image or several")],
        model: Annotated[str | None, Query(description="Name; may be left out where one model is served")] = None,
        page: Annotated[int | None, Query(ge=1)] = None,
        heat: Annotated[bool, Query(description="Add an overlay as PNG in base64")] = False,
    ) -> Response:
        """What `lopore predict --json` prints, one object a file, in order; a bad file has an ``error``."""
        worker = service.pool.worker(model)
        if len(file) > MOST_FILES:
            raise DataError(f"{len(file)} files came; at most {MOST_FILES} go into one request")
        found = await asyncio.gather(*(_predict(service, worker, one, page, heat) for one in file))
        answers = [answer for answer, _ in found]
        headers = receipts_header(await service.recorded([draft for _, draft in found if draft is not None]))
        bad = any("error" in answer for answer in answers)
        status = 422 if bad and len(answers) == 1 else 207 if bad else 200
        return JSONResponse(answers, status_code=status, headers=headers)

    return router


async def _predict(
    service: Service, worker: ModelWorker, file: UploadFile, page: int | None, heat: bool
) -> tuple[dict[str, Any], Draft | None]:
    name = plain(file.filename or "upload", 160)
    try:
        prepared = await service.in_thread(lambda: _prepared(worker, file, name, page))
        (found,) = await service.answer(worker, [prepared.pixels])
        prediction = describe_prepared(worker.model, prepared, found)
        answer: dict[str, Any] = json.loads(prediction.model_dump_json())
        draft = prediction_draft(worker.model, prediction, by=BY) if service.recorder.records else None
        if heat:
            answer["heat"] = await service.in_thread(lambda: _overlay(worker, prepared, answer["scores"]))
        return answer, draft
    except (DataError, ConfigError, ImageError) as error:  # of this file: the others go on
        return {"source": name, "error": str(error)}, None


def _prepared(worker: ModelWorker, file: UploadFile, name: str, page: int | None) -> Prepared:
    return prepare(worker.model.record, file.file.read(), page=page, name=name)


def _overlay(worker: ModelWorker, prepared: Prepared, scores: dict[str, float]) -> dict[str, Any]:
    best = max(scores, key=lambda name: scores[name])
    explainer = choose_explainer(worker.model)
    with worker.lock:
        heat = explain(worker.model, prepared, class_name=best, explainer=explainer)
    image = draw_overlay(prepared.radiograph.pixels, heat.values, scale=heat.scale, title=f"{best}, {heat.explainer}")
    coded = cv2.imencode(".png", np.ascontiguousarray(image[:, :, ::-1]))[1]
    content = base64.b64encode(coded.tobytes()).decode()
    return {"class": best, "explainer": heat.explainer, "scale": heat.scale, "png": content}
