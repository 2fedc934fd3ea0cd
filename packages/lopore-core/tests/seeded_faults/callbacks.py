"""Callbacks with one promise broken."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

from lopore.contracts import Callback, RunEnded

from .sound import CALLBACK, note_events


def _before(act: Any) -> Callback:
    """The sound callback, which first does something else at each event."""

    def listen(start: Any, params: Any) -> Any:
        notes = note_events(start, params)

        def hear(event: Any) -> None:
            act(start, event)
            notes(event)

        return hear

    return replace(CALLBACK, listen=listen)


def _wants_a_validation_score(start: Any, event: Any) -> None:
    if not isinstance(event, RunEnded):
        event.figures["val_auc"]


def _fails_at_a_published_model(start: Any, event: Any) -> None:
    if isinstance(event, RunEnded) and event.model is not None:
        raise RuntimeError("no such table")


def _wants_a_new_folder(start: Any, params: Any) -> Any:
    (start.folder / "mine").mkdir()
    return note_events(start, params)


def _adds_to_the_log(start: Any, event: Any) -> None:
    with (start.folder / "training_log.csv").open("a") as stream:
        stream.write("9,9\n")


def _calls_home(start: Any, event: Any) -> None:
    with contextlib.suppress(OSError), socket.socket() as one:
        one.settimeout(0.01)
        one.connect(("203.0.113.7", 443))


def _moves(start: Any, event: Any) -> None:
    os.chdir(Path.cwd().parent)


CALLBACK_FAULTS: dict[str, tuple[Callback, set[str]]] = {
    "no function to hear with": (
        replace(CALLBACK, listen=lambda start, params: None),
        {"hears_a_run_to_its_end", "hears_a_run_that_fails_without_validation", "goes_on_with_a_resumed_run"},
    ),
    "the end of a published run": (_before(_fails_at_a_published_model), {"hears_a_run_to_its_end"}),
    "a validation score is taken for granted": (
        _before(_wants_a_validation_score), {"hears_a_run_that_fails_without_validation"}
    ),
    "a folder that was there before": (
        replace(CALLBACK, listen=_wants_a_new_folder), {"goes_on_with_a_resumed_run"}
    ),
    "a line in the log of the run": (_before(_adds_to_the_log), {"leaves_the_files_of_the_run_alone"}),
    "a connection to another machine": (
        _before(_calls_home), {"sends_nothing_out_by_default"}
    ),
    "another working directory": (_before(_moves), {"leaves_the_process_as_it_was"}),
}  # fmt: skip
