"""What an archive for an index must hold, and what it must not.

python tools/check_archives.py dist/*
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

FORBIDDEN = re.compile(r"(__pycache__|\.pyc$|\.env$|^data/|^models/|(?<!/model/model_best)\.pth$|\.DS_Store|/\.)")
NEEDED_FIELDS = ("Author", "License-Expression", "License-File", "Project-URL", "Requires-Python", "Summary")


def read_archive(path: Path) -> tuple[list[str], Message]:
    """Names of the files of a wheel or sdist, without the sdist's top folder, and its metadata."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
            return names, message_from_bytes(archive.read(metadata))
    with tarfile.open(path) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
        top = archive.getnames()[0].partition("/")[0]
        content = archive.extractfile(f"{top}/PKG-INFO")
        assert content is not None
        return names, message_from_bytes(content.read())


def findings(path: Path) -> list[str]:
    """One line for each thing that is wrong with an archive."""
    names, metadata = read_archive(path)
    wheel = path.suffix == ".whl"
    found = [f"{name} must not travel" for name in names if FORBIDDEN.search(name)]
    found += [f"metadata lacks {field}" for field in NEEDED_FIELDS if not metadata.get(field)]
    wanted = [r"LICENSE$", r"/py\.typed$"] + ([] if wheel else [r"^tests/test_", r"^tests/made/", r"^conftest\.py$"])
    found += [f"nothing matches {pattern}" for pattern in wanted if not any(re.search(pattern, name) for name in names)]
    if wheel and any(name.startswith("tests/") for name in names):
        found.append("tests lie at the top of the wheel")
    if len(str(metadata.get_payload())) < 400:
        found.append("the README is too short to stand on an index")
    return found


def main() -> None:
    """A line for each archive; exit status 1 where one is wrong."""
    bad = 0
    for path in (Path(word) for word in sys.argv[1:]):
        found = findings(path)
        bad += bool(found)
        print(f"{path.name}: {'; '.join(found) if found else 'complete'}")
    if bad or len(sys.argv) < 2:
        raise SystemExit(f"{bad} of {len(sys.argv) - 1} archives are not fit to publish")


if __name__ == "__main__":
    main()
