"""``/v1/inspect`` and ``/v1/jobs``: whole films in, as jobs, and what was found out."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, UploadFile
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from lopore.errors import ConfigError, LoporeError
from lopore.indications import InspectionOptions
from lopore.indications.acceptance_profile import profile_of_bytes
from lopore.messages import plain
from lopore.validation import explain_validation

from .film_jobs import FilmJob
from .service import Service


def inspect_router(service: Service) -> APIRouter:
    """Whole films over a service."""
    router = APIRouter(prefix="/v1", tags=["films"])

    @router.post("/inspect", status_code=202)
    async def inspect(
        file: Annotated[UploadFile, File(description="A whole film")],
        model: Annotated[str | None, Query()] = None,
        page: Annotated[int | None, Query(ge=1)] = None,
        options: Annotated[str, Form(description="JSON of InspectionOptions")] = "{}",
        profile: Annotated[str | None, Form(description="YAML of an acceptance profile")] = None,
    ) -> dict[str, Any]:
        """Take a film as a job; ``/v1/jobs/ID`` tells how far it is, ``/v1/jobs/ID/result`` what was found."""
        worker = service.pool.worker(model)
        chosen = _options(options)
        rules = None if profile is None else profile_of_bytes(profile.encode(), source="the profile")
        upload = tempfile.NamedTemporaryFile(prefix="lopore-")  # noqa: SIM115  # closed, and so removed, by its job
        await asyncio.to_thread(shutil.copyfileobj, file.file, upload)
        upload.flush()
        job = FilmJob(worker, upload, plain(file.filename or "film", 160), chosen, rules, page)
        try:
            return service.films.submit(job).as_data()
        except LoporeError:
            upload.close()
            raise

    return router


def jobs_router(service: Service) -> APIRouter:
    """The jobs of these films."""
    router = APIRouter(prefix="/v1", tags=["films"])

    @router.get("/jobs/{number}")
    async def progress(number: str) -> Response:
        """State, stage and tiles done of a film."""
        job = service.films.find(number)
        return _no_job(number) if job is None else JSONResponse(job.as_data())

    @router.get("/jobs/{number}/result")
    async def result(number: str) -> Response:
        """What `lopore inspect --json` prints; 409 while the film waits or runs, 410 where there is no result."""
        job = service.films.find(number)
        if job is None:
            return _no_job(number)
        if job.result is None or job.state != "done":
            return JSONResponse(job.as_data(), status_code=410 if job.ended.is_set() else 409)
        return Response(job.result.to_json(), media_type="application/json")

    @router.delete("/jobs/{number}")
    async def cancel(number: str) -> Response:
        """Stop a film at its next batch."""
        job = service.films.find(number)
        if job is None:
            return _no_job(number)
        service.films.cancel(job)
        return JSONResponse(job.as_data(), status_code=202)

    return router


def _no_job(number: str) -> Response:
    return JSONResponse({"error": f"no job '{plain(number, 60)}'; results are kept for a while only"}, status_code=404)


def _options(text: str) -> InspectionOptions:
    try:
        return InspectionOptions.model_validate(json.loads(text))
    except ValidationError as error:
        raise ConfigError(f"options: {explain_validation(error, InspectionOptions)}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"options {plain(text, 60)} are no JSON object") from None
