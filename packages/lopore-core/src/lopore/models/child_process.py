"""The other end of ``child_session``: opens one model and answers requests until its input ends.

Started as ``python -m lopore.models.child_process``; standard input and output carry ``pipe_messages``.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import FeatureSession, Predictor
from lopore.errors import LoporeError, memory_is_short
from lopore.models.explaining import explain_batch, explainer_fits
from lopore.models.opening import OpenModel, open_session
from lopore.models.pipe_messages import Message, receive, send
from lopore.plugins.problems import describe_error
from lopore.plugins.registry import discover
from lopore.record.folder import ModelFolder

Arrays = list[NDArray[Any]]


@dataclass
class Server:
    """One model, and what may be asked of it."""

    model: OpenModel | None = None

    def answer(self, request: Message, arrays: Arrays) -> tuple[Message, Arrays]:
        """The reply to one request; KeyError for one that is unknown."""
        actions: dict[str, Callable[[Message, Arrays], tuple[Message, Arrays]]] = {
            "prepare": self._prepare,
            "open": self._open,
            "predict": lambda _, given: ({}, [np.asarray(self._session.predict(given[0]), np.float32)]),
            "segment": lambda _, given: ({}, [np.asarray(self._session.segment(given[0]), np.float32)]),
            "features": lambda _, given: ({}, list(self._session.answer_with_features(given[0]))),
            "explain": self._explain,
        }
        return actions[request["do"]](request, arrays)

    @property
    def _session(self) -> Any:
        assert self.model is not None, "the first request opens the model"
        return self.model.session

    def _prepare(self, request: Message, _: Arrays) -> tuple[Message, Arrays]:
        """Import the runtime before the limits hold: its size and start are not the model's."""
        for module in self._predictor(request).runtime:
            importlib.import_module(module)
        return {}, []

    def _open(self, request: Message, _: Arrays) -> tuple[Message, Arrays]:
        predictor, folder = self._predictor(request), ModelFolder.read(Path(request["path"]))
        session = open_session(folder, predictor, request["device"], request["threads"])
        self.model = OpenModel(folder, request["format"], predictor, session)
        record = folder.record.preprocessing
        blank = np.zeros((1, *record.size, record.channels), np.uint8 if record.depth == 8 else np.uint16)
        session.predict(blank)
        features = isinstance(session, FeatureSession) and session.gives_features
        return {"explainers": self._fitting_explainers(self.model), "features": features}, []

    def _fitting_explainers(self, model: OpenModel) -> list[str]:
        fitting = []
        for key, explainer in discover().explainers.items():
            with contextlib.suppress(LoporeError):  # one that fails does not fit
                if explainer.formats == ("*",) or model.format in explainer.formats:
                    fitting += [key] * explainer_fits(explainer, model)
        return fitting

    def _explain(self, request: Message, arrays: Arrays) -> tuple[Message, Arrays]:
        explainer = discover().explainers[request["explainer"]]
        assert self.model is not None, "the first request opens the model"
        return {}, [explain_batch(explainer, self.model, arrays[0], request["class"])]

    def _predictor(self, request: Message) -> Predictor:
        return discover().predictors[request["predictor"]]


def serve(source: IO[bytes], target: IO[bytes]) -> None:
    """Answer until ``source`` ends; an error is an answer too."""
    server = Server()
    while True:
        try:
            request, arrays = receive(source)
        except EOFError:
            return
        try:
            reply, found = server.answer(request, arrays)
        except LoporeError as error:
            reply, found = {"error": str(error), "memory": memory_is_short(error)}, []
        except Exception as error:  # an explainer or a framework may raise anything; the parent says it in one line
            reply, found = {"error": describe_error(error), "memory": memory_is_short(error)}, []
        send(target, reply, found)


def main() -> None:
    """Keep the pipe for messages; what libraries print goes nowhere."""
    target = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    serve(sys.stdin.buffer, target)


if __name__ == "__main__":
    main()
