"""What a model from elsewhere took in its process of its own before it was stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from lopore.atomic_files import sha256_of
from lopore.errors import ModelError
from lopore.models import child_session
from lopore.models.opening import open_model
from lopore.models.process_limits import Usage, usage_of
from lopore.record.folder import ModelFolder
from lopore.record.model import ModelFile, ModelRecord

GIB = 1 << 30


class Watch:
    """Memory and processor seconds of the last child, beyond what it had when the file was opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._start, self._most = Usage(), Usage()
        limit_space = child_session.limit_space

        def noted(pid: int) -> Usage:
            usage = usage_of(pid)
            self._most = max(self._most, usage, key=lambda one: (one.seconds, one.peak))
            return usage

        def begun(pid: int, usage: Usage, memory: int) -> None:
            self._start = usage
            limit_space(pid, usage, memory)

        monkeypatch.setattr(child_session, "usage_of", noted)
        monkeypatch.setattr(child_session, "limit_space", begun)

    @property
    def memory(self) -> int:
        return max(0, self._most.peak - self._start.memory)

    @property
    def seconds(self) -> float:
        """Processor seconds beyond half of what the runtime's import took, which a busy machine lengthens alike."""
        return self._most.seconds - 1.5 * self._start.seconds


def from_elsewhere(folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> ModelFolder:
    """The folder as another user sees it."""
    monkeypatch.setenv("LOPORE_STATE", str(folder.path.parent / "another user"))
    return ModelFolder.read(folder.path)


def published(file: Path, format: str, record: ModelRecord) -> ModelFolder:
    """A sealed model folder around a file that lies in it."""
    folder = file.parent if format != "saved_model" else file.parent.parent
    name = file.relative_to(folder).as_posix()
    return ModelFolder(folder, record).with_files([ModelFile(path=name, sha256=sha256_of(file), format=format)])


def assert_stopped(folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bomb from elsewhere is refused in one line, within 1 GiB and 5 s of a sound model; returns the line."""
    folder = from_elsewhere(folder, monkeypatch)
    watch = Watch(monkeypatch)
    with pytest.raises(ModelError) as caught:
        open_model(folder)
    assert "\n" not in str(caught.value)
    assert watch.memory < GIB, f"{watch.memory / GIB:.2f} GiB"
    assert watch.seconds < 5, f"{watch.seconds:.1f} s"
    return str(caught.value)
