"""Small files of PyTorch that want much: from elsewhere they open in a process of their own, and are stopped there."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from made.child_watch import assert_stopped, from_elsewhere, published
from made.models import SIDE, record_for
from torch import Tensor, nn

from lopore.errors import ModelError
from lopore.models.child_session import ChildSession
from lopore.models.opening import open_model
from lopore.record.preprocessing import Preprocessing
from lopore_torch.program import PT_FILE


class Bright(nn.Module):
    """Scores by brightness, to which ``extra`` adds nothing but its cost."""

    def __init__(self, extra: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.extra = extra

    def forward(self, pixels: Tensor) -> Tensor:
        bright = pixels.float().mean((1, 2, 3)) / 255 + 0 * self.extra(pixels.float()).mean()
        return torch.stack((1 - bright, bright), 1)


def _repeated(pixels: Tensor) -> Tensor:
    return pixels[:1].expand(20_000_000, SIDE, SIDE, 1) + 1


def _multiplied(pixels: Tensor) -> Tensor:
    wide = pixels.mean() + torch.ones(9000, 9000)
    for _ in range(8):
        wide = wide @ wide
    return wide


PROGRAMS: dict[str, Callable[[Tensor], Tensor]] = {
    "a constant of 20 GB": lambda pixels: torch.ones(5_000_000_000) + pixels.mean(),
    "pixels spread to 20 GB": _repeated,
    "products of large matrices": _multiplied,
}


def program(path: Path, extra: Callable[[Tensor], Tensor]) -> Path:
    pixels = torch.zeros((2, SIDE, SIDE, 1), dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1)
    exported = torch.export.export(Bright(extra).eval(), (pixels,), dynamic_shapes=({0: batch},))
    for node in exported.graph.nodes:
        for note in ("stack_trace", "nn_module_stack", "torch_fn", "source_fn_stack", "from_node"):
            node.meta.pop(note, None)
    stream = io.BytesIO()
    torch.export.save(exported, stream)
    path.write_bytes(stream.getvalue())
    return path


@pytest.mark.parametrize("what", PROGRAMS)
def test_a_program_that_wants_much_is_stopped(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = program(tmp_path / PT_FILE, PROGRAMS[what])
    assert file.stat().st_size < 100_000
    told = assert_stopped(published(file, "pt", record_for()), monkeypatch)
    assert "comes from elsewhere and takes" in told


def test_a_program_from_elsewhere_that_wants_little_opens_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = published(program(tmp_path / PT_FILE, lambda pixels: pixels), "pt", record_for())
    batch = torch.randint(0, 256, (3, SIDE, SIDE, 1), dtype=torch.uint8).numpy()
    own = open_model(folder).session.predict(batch)
    foreign = open_model(from_elsewhere(folder, monkeypatch)).session
    assert isinstance(foreign, ChildSession)
    assert (foreign.predict(batch) == own).all()
    foreign.close()


def giant_of_four_bytes(path: Path, *, coding: int = zipfile.ZIP_STORED) -> Path:
    """All weights of a network of a thousand million numbers, each a view of a single number."""
    import timm

    with torch.device("meta"):
        giant = timm.create_model("vit_giant_patch14_clip_224", num_classes=2, in_chans=1)
    one = torch.zeros(1)
    state = {f"body.{name}": one.expand(value.shape) for name, value in giant.state_dict().items()}
    norm = {"normalise.scale": torch.ones(1, 1, 1), "normalise.shift": torch.zeros(1, 1, 1)}
    torch.save({**norm, **state}, path)
    if coding != zipfile.ZIP_STORED:
        with zipfile.ZipFile(path) as old:
            members = {name: old.read(name) for name in old.namelist()}
        with zipfile.ZipFile(path, "w", coding) as new:
            for name, content in members.items():
                new.writestr(name, content)
    return path


def test_weights_that_repeat_one_number_are_refused_before_the_network_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = record_for(
        backbone="vit_giant_patch14_clip_224", architecture={"outputs": 2}, preprocessing=Preprocessing(size=224)
    )
    folder = published(giant_of_four_bytes(tmp_path / "model_best.pth"), "pth", record)
    assert folder.file_for("pth").stat().st_size < 1_000_000
    assert "more numbers than the file holds" in assert_stopped(folder, monkeypatch)


def test_weights_in_a_compressed_archive_are_refused(tmp_path: Path) -> None:
    from lopore_torch.weights import read_tensors

    with pytest.raises(ModelError, match="is compressed"):
        read_tensors(giant_of_four_bytes(tmp_path / "model_best.pth", coding=zipfile.ZIP_DEFLATED))
