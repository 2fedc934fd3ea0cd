"""What a run will need besides its data is looked for before its first epoch, and named with what to install."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made.runs import config, run

from lopore.contracts import Backbone, Exporter
from lopore.errors import ConfigError, LoporeError, PluginError, RunError
from lopore.hookspecs import hookimpl
from lopore.plugins.registry import Registry
from lopore.training import check_installed
from lopore.training.check_installed import check_exports


class Plugin:
    """A framework whose native files, and ONNX, nothing here opens."""

    LOPORE_API = 1

    @hookimpl
    def lopore_exporters(self) -> Iterator[Exporter]:
        yield Exporter(framework="little", format="onnx", summary="ONNX", file_name="model.onnx", export=_never)

    @hookimpl
    def lopore_backbones(self) -> Iterator[Backbone]:
        yield Backbone(
            framework="little", name="zoo", summary="Any", default_size=32, explanation_layer="", pretrained=(),
            build=_never, exact_cam=False, family=_broken,
        )  # fmt: skip


def _never(*_: Any) -> Any:
    raise AssertionError("not asked for")


def _broken(_: str) -> Backbone | None:
    raise ImportError("libzoo.so.3: cannot open shared object file")


def test_an_export_that_nothing_opens_is_refused_before_the_first_epoch(
    softmax: None, welds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    little = Registry.from_plugins({"little 1.0": Plugin()})
    monkeypatch.setattr(check_installed, "discover", lambda: little)
    experiment = config(welds).model_copy(update={"trainer": "little", "exports": ("onnx",)})
    with pytest.raises(ConfigError, match="nothing installed opens pth files, so exports onnx could not be proven"):
        check_exports(experiment, SimpleNamespace(native_format="pth"))  # type: ignore[arg-type]


def test_a_missing_library_is_named_with_its_extra_and_nothing_is_written(
    softmax: None, welds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = check_installed.find_spec
    monkeypatch.setattr(check_installed, "find_spec", lambda name: None if name == "PIL" else there(name))
    with pytest.raises(PluginError, match=r'training needs Pillow: pip install "lopore-core\[train\]"'):
        run(config(welds))
    assert not Path("models").exists()


@pytest.mark.parametrize("crossed", [False, True])
def test_a_disk_without_room_for_the_run_is_told_before_the_first_epoch(
    softmax: None, welds: Path, monkeypatch: pytest.MonkeyPatch, crossed: bool
) -> None:
    full = shutil.disk_usage(welds)._replace(free=1000)
    monkeypatch.setattr(check_installed.shutil, "disk_usage", lambda _: full)
    with pytest.raises(RunError, match=r"may need \d+ MiB below models.* and 0 MiB are free"):
        run(config(welds), cross_validation=crossed)
    assert not list(Path("models").glob("**/epoch-*"))


def test_a_family_of_networks_that_cannot_be_imported_is_told_with_its_own_error() -> None:
    """Not "no backbone, did you mean": the name may be right, and the library is broken."""
    little = Registry.from_plugins({"little 1.0": Plugin()})
    assert not little.problems
    with pytest.raises(LoporeError, match=r"could not be looked up: .*libzoo\.so\.3: cannot open") as caught:
        little.backbone("little", "resnet18")
    assert "did you mean" not in str(caught.value)
