"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lopore.atomic_files import atomic_folder, atomic_write_bytes, disk_errors_explained, sha256_of
from lopore.errors import LoporeError

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def test_a_written_file_has_its_content_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    atomic_write_bytes(tmp_path / "a" / "x.json", b"{}")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.json"]
    assert (tmp_path / "a" / "x.json").read_bytes() == b"{}"
    assert sha256_of(tmp_path / "a" / "x.json").startswith("44136fa3")


def test_a_full_disk_is_one_line_and_the_older_file_stays(tmp_path: Path) -> None:
    """A process whose files may not grow past 4 kB meets a real refusal of the system while writing."""
    target = tmp_path / "record.json"
    target.write_bytes(b"older")
    code = f"""
        import resource, signal, sys
        from pathlib import Path
        from lopore.errors import LoporeError
        from lopore.atomic_files import atomic_write_bytes
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            atomic_write_bytes(Path({str(target)!r}), b"x" * 100_000)
        except LoporeError as error:
            print(error)
    """
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "record.json cannot be written" in process.stdout
    assert len(process.stdout.splitlines()) == 1
    assert target.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_appears_only_when_its_block_ends_well(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "model") as folder:
        (folder / "weights").write_bytes(b"1")
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []
    with atomic_folder(tmp_path / "model") as folder:
        (folder / "weights").write_bytes(b"1")
        assert not (tmp_path / "model").exists()
    assert (tmp_path / "model" / "weights").read_bytes() == b"1"


def test_a_folder_with_content_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "kept").touch()
    with pytest.raises(LoporeError, match="already exists and is not empty"), atomic_folder(tmp_path / "model"):
        pytest.fail("the block must not run")


def test_a_disk_that_says_no_inside_the_block_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LoporeError, match="model cannot be written"), atomic_folder(tmp_path / "model"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(ROOT, reason="root may write into read-only folders")
def test_a_read_only_folder_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(LoporeError, match="cannot be written"):
        atomic_write_bytes(tmp_path / "x", b"1")


def test_a_folder_is_synced_through_files_open_for_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows refuses to sync what is open for reading only."""
    sync = os.fsync

    def as_windows_does(handle: int) -> None:
        only_read = fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        if only_read and not stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        sync(handle)

    monkeypatch.setattr(os, "fsync", as_windows_does)
    with atomic_folder(tmp_path / "made") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("x")
    assert (tmp_path / "made" / "deep" / "file").read_text() == "x"


def test_only_a_disk_that_takes_nothing_is_told_as_one() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "log.csv")
    assert disk_errors_explained(full).startswith("log.csv cannot be written (No space left on device); free space")
    told = LoporeError("one line")
    told.__cause__ = full
    assert disk_errors_explained(told) == "one line"
    assert disk_errors_explained(OSError(errno.EFBIG, "File too large")).startswith("a file cannot be written")
    for other in (PermissionError(errno.EACCES, "Permission denied", "film.png"), LoporeError("x"), ValueError("x")):
        assert disk_errors_explained(other) == ""
