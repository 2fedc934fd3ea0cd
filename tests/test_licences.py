"""Whatever lopore installs, directly or by way of another, has a licence that an Apache-2.0 project may depend on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent

ALLOWED = (
    "MIT", "MIT-0", "MIT-CMU", "BSD", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "Apache", "Apache-2.0", "ISC", "Zlib",
    "PSF-2.0", "Python-2.0", "Unlicense", "CC0-1.0", "HPND", "BSL-1.0", "MPL-2.0", "Unicode-3.0", "Bzip2",
)  # fmt: skip
"""SPDX identifiers, and the two families that older metadata names without a version. MPL-2.0 binds its own files."""
SPELT = {
    "Apache-2.0": "apache software license|apache license 2.0|apache license, version 2.0|apache 2.0|apache-2|"
    "apache license v2.0|apache license version 2.0|apache license, 2.0|apache-2.0 license",
    "MIT": "mit license|the mit license (mit)",
    "BSD": "bsd license",
    "BSD-3-Clause": "new bsd|3-clause bsd license|bsd 3-clause license|bsd 3-clause|modified bsd license|"
    "new bsd license|bsd-3|bsd-3-clause license",
    "ISC": "isc license (iscl)",
    "PSF-2.0": "python software foundation license|psf",
    "MPL-2.0": "mozilla public license 2.0 (mpl 2.0)",
    "Unlicense": "the unlicense (unlicense)",
    "HPND": "historical permission notice and disclaimer (hpnd)",
}
"""How older metadata spells them."""
BY_HAND = {
    # NVIDIA's libraries come with the wheels of torch for Linux; torch's own licence and theirs allow that.
    "cuda-bindings": "NVIDIA, by way of torch", "cuda-toolkit": "NVIDIA, by way of torch",
    "cuda-pathfinder": "NVIDIA, by way of torch",
}  # fmt: skip
"""What does not name an allowed licence in its metadata, and why it may come along."""


TEXTS = {"Apache License Version 2.0": "Apache-2.0", "Apache License, Version 2.0": "Apache-2.0", "MIT License": "MIT"}


def roots() -> Iterator[Requirement]:
    """What the packages of this repository require, extras included."""
    for path in sorted((ROOT / "packages").glob("*/pyproject.toml")):
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        for lines in (project.get("dependencies", ()), *project.get("optional-dependencies", {}).values()):
            yield from map(Requirement, lines)


def installed() -> dict[str, Distribution]:
    """Every distribution that is needed, directly or not, of those that are installed here."""
    found: dict[str, Distribution] = {}
    waiting = [(requirement, "") for requirement in roots()]
    seen = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name.startswith("lopore"):
            continue
        try:
            package = found.setdefault(name, distribution(requirement.name))
        except PackageNotFoundError:  # an extra that this environment leaves out
            continue
        for wanted in {"", *requirement.extras}:
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(line), wanted) for line in package.requires or ()]
    return found


def licences_of(package: Distribution) -> list[str]:
    """SPDX identifiers or spelt names, from the expression, the classifiers or the old field, whichever is there."""
    facts = package.metadata
    if facts.get("License-Expression"):
        return re.findall(r"[\w.+-]+", re.sub(r"\b(AND|OR|WITH [\w.-]+)\b", " ", str(facts["License-Expression"])))
    classifiers = [line.split(" :: ")[-1] for line in facts.get_all("Classifier") or () if line.startswith("License")]
    named = [name for name in classifiers if name not in ("OSI Approved", "License")]
    field = str(facts.get("License") or "UNKNOWN").strip().splitlines()[0]
    return named or (re.split(" AND | OR ", field) if field != "UNKNOWN" else [of_text(package)])


def of_text(package: Distribution) -> str:
    """The licence that a file called LICENSE begins with."""
    for file in package.files or ():
        if file.name.upper().startswith("LICENSE"):
            text = " ".join(str(file.read_text()).split())[:400]
            return next((name for words, name in TEXTS.items() if words in text), "")
    return ""


def is_allowed(name: str, licence: str) -> bool:
    spelt = next((right for right, others in SPELT.items() if licence.casefold() in others.split("|")), licence)
    return spelt in ALLOWED or name in BY_HAND or (name.startswith("nvidia-") and "nvidia" in licence.casefold())


def test_every_licence_is_on_the_list() -> None:
    packages = installed()
    assert {"numpy", "pydantic", "click", "opencv-python-headless", "onnxruntime", "streamlit"} <= packages.keys()
    wrong = {
        name: licences_of(package)
        for name, package in sorted(packages.items())
        if not all(is_allowed(name, licence) for licence in licences_of(package))
    }
    assert wrong == {}


def test_a_licence_that_binds_the_whole_is_noticed() -> None:
    for licence in (
        "GPL-3.0-only",
        "GNU General Public License v3 (GPLv3)",
        "AGPL-3.0-or-later",
        "LGPL-2.1",
        "",
        "Other",
    ):
        assert not is_allowed("some-package", licence), licence
    assert is_allowed("some-package", "Apache Software License")


def test_no_requirement_allows_a_version_with_a_known_hole() -> None:
    """torch: weights_only. onnx, onnxruntime: external data. keras: links in HDF5 files."""
    floors = {"torch": "2.10", "onnx": "1.21", "keras": "3.13.2", "onnxruntime": "1.25"}
    holes = {"torch": "2.9.1", "onnx": "1.20.1", "keras": "3.13.1", "onnxruntime": "1.24.2"}
    named = set()
    for requirement in roots():
        name = canonicalize_name(requirement.name)
        if name in floors:
            named.add(name)
            assert floors[name] in requirement.specifier, requirement
            assert holes[name] not in requirement.specifier, requirement
    assert named == set(floors)
