"""Batches: what training reads, in which order, from memory or from files."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.augmentation.augmenter import Augmenter
from lopore.config.augmentation import Augmentation
from lopore.data.batches import count_batches, cut, evaluation_batches, training_batches
from lopore.data.image_cache import ImageCache
from lopore.data.masks import onto_input, read_mask
from lopore.data.sampler import Sampler
from lopore.errors import DataError
from lopore.preprocessing.geometry import Geometry
from lopore.preprocessing.pipeline import preprocess, read_for
from lopore.record.preprocessing import Preprocessing

RECORD = Preprocessing(size=(16, 16))
COUNT = 23


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number:02d}.png" for number in range(COUNT)]
    for path in paths:
        cv2.imwrite(str(path), rng.integers(0, 256, (20, 24), dtype=np.uint8))
    return paths


def straight(paths: list[Path]) -> NDArray[Any]:
    return np.stack([preprocess(read_for(RECORD, path), RECORD)[0] for path in paths])


def flips(seed: int = 0) -> Augmenter:
    return Augmenter(Augmentation.model_validate({"horizontal_flip": True, "noise": True}), (16, 16), seed)


def epoch_of(images: ImageCache, number: int, **options: Any) -> list[Any]:
    order = options.pop("order", np.random.default_rng(number).permutation(COUNT))
    settings = {"batch_size": 4, "epoch": number, "augmenter": flips(), **options}
    return list(training_batches(images, np.arange(COUNT), order, **settings))


def test_evaluation_drops_nothing_and_keeps_the_order(files: list[Path]) -> None:
    numbers = np.array([5, 3, 3, 22, 0, 1, 7])
    batches = list(evaluation_batches(ImageCache(files, RECORD), numbers, batch_size=3, labels=np.arange(COUNT)))
    assert [len(batch.pixels) for batch in batches] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([batch.targets for batch in batches]), numbers)
    np.testing.assert_array_equal(np.concatenate([b.pixels for b in batches]), straight([files[n] for n in numbers]))


@pytest.mark.parametrize("cache_mb", [0, 1])
@pytest.mark.parametrize("workers", [0, 1, 5])
def test_neither_threads_nor_memory_change_what_is_seen(files: list[Path], cache_mb: int, workers: int) -> None:
    expected = [epoch_of(ImageCache(files, RECORD), epoch, workers=0) for epoch in range(2)]
    images = ImageCache(files, RECORD, cache_mb=cache_mb)
    for epoch in range(2):
        got = epoch_of(images, epoch, workers=workers)
        for one, two in zip(expected[epoch], got, strict=True):
            np.testing.assert_array_equal(one.pixels, two.pixels)
            np.testing.assert_array_equal(one.targets, two.targets)


def test_files_are_read_once_where_memory_allows_and_each_epoch_where_not(files: list[Path]) -> None:
    kept, read_again = ImageCache(files, RECORD, cache_mb=1), ImageCache(files, RECORD, cache_mb=0)
    for epoch in range(3):
        epoch_of(kept, epoch)
        epoch_of(read_again, epoch)
    assert (kept.capacity, kept.reads) == (COUNT, COUNT)
    assert (read_again.capacity, read_again.reads) == (0, 3 * COUNT)


def test_the_memory_bound_is_kept_and_the_rest_is_read_again(files: list[Path]) -> None:
    record = Preprocessing(size=(256, 512))  # 128 KiB each: eight fit in 1 MiB
    images = ImageCache(files, record, cache_mb=1)
    for _ in range(2):
        list(evaluation_batches(images, np.arange(COUNT), batch_size=4))
    assert images.capacity == 8
    assert images.reads == 8 + 2 * (COUNT - 8)


def test_kept_pictures_are_not_changed_by_what_is_done_to_a_batch(files: list[Path]) -> None:
    images = ImageCache(files, RECORD)
    for batch in evaluation_batches(images, np.arange(COUNT), batch_size=8):
        batch.pixels[:] = 0
    np.testing.assert_array_equal(np.stack([images[n][0] for n in range(COUNT)]), straight(files))


def test_the_shares_of_processes_put_together_are_the_whole_batch(files: list[Path]) -> None:
    images = ImageCache(files, RECORD)
    whole = epoch_of(images, 0, batch_size=7)
    parts = [epoch_of(images, 0, batch_size=7, process_rank=(rank, 3)) for rank in range(3)]
    assert len(whole) == 4
    assert all(len(part) == 3 for part in parts)
    for number in range(3):
        assert {part[number].global_batch_size for part in parts} == {7}
        merged = np.empty_like(whole[number].pixels)
        for rank in range(3):
            merged[rank::3] = parts[rank][number].pixels
        np.testing.assert_array_equal(merged, whole[number].pixels)


@given(st.integers(1, 200), st.integers(1, 40), st.integers(1, 4))
def test_a_batch_is_dropped_only_if_a_process_would_get_fewer_than_two_images(rows: int, size: int, world: int) -> None:
    parts = cut(np.arange(rows), size, world)
    assert len(parts) == count_batches(rows, size, world)
    seen = sum(len(part) for part in parts)
    assert seen == rows or rows - seen < min(2 * world, size)
    if size >= 2 * world and len(parts) > 1:
        assert all(len(part) >= 2 * world for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(seen))


@given(st.integers(0, 50), st.integers(0, 50))
def test_an_order_depends_on_seed_and_epoch_and_shows_every_image_once(seed: int, epoch: int) -> None:
    rows = np.arange(10, 60)
    sampler = Sampler(rows, rows % 2, rows // 5, "none", seed)
    order = sampler.order(epoch)
    np.testing.assert_array_equal(np.sort(order), rows)
    np.testing.assert_array_equal(order, sampler.order(epoch))
    assert not np.array_equal(order, sampler.order(epoch + 1))


ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), min_size=1, max_size=60)


@settings(max_examples=60)
@given(ROWS, st.sampled_from(["class", "group", "class-group"]), st.integers(0, 20))
def test_balancing_gives_every_class_or_film_its_even_share(
    rows: list[tuple[int, int]], balance: Any, epoch: int
) -> None:
    kinds, groups = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    order = Sampler(np.arange(len(rows)), kinds, groups, balance).order(epoch)
    assert len(order) == len(rows)
    keys = {"class": kinds, "group": groups, "class-group": kinds}[balance]
    found = Counter(keys[order].tolist())
    wanted = len(rows) / len(set(keys.tolist()))
    members = Counter(keys.tolist())
    assert all(abs(found[key] - wanted) <= members[key] for key in members)
    if balance == "class-group":
        for kind in set(kinds.tolist()):
            cells = Counter(groups[kinds == kind].tolist())
            share = wanted / len(cells)
            seen = Counter(groups[order][kinds[order] == kind].tolist())
            assert all(abs(seen[group] - share) <= cells[group] for group in cells)


def test_over_many_epochs_balancing_comes_to_its_exact_share() -> None:
    kinds = np.array([0] * 27 + [1] * 3, np.int64)
    sampler = Sampler(np.arange(30), kinds, kinds, "class")
    counts = np.bincount(np.concatenate([sampler.order(epoch) for epoch in range(400)]), minlength=30) / 400
    np.testing.assert_allclose(counts[:27], 15 / 27, atol=0.1)
    np.testing.assert_allclose(counts[27:], 5, atol=0.1)


def test_an_oversampled_picture_is_augmented_anew_each_time(files: list[Path]) -> None:
    order = np.array([4] * 12 + [1, 2])
    noise = Augmenter(Augmentation.model_validate({"noise": {"probability": 1.0}}), (16, 16))
    batches = epoch_of(ImageCache(files, RECORD), 0, order=order, batch_size=14, augmenter=noise)
    assert len({image.tobytes() for image in batches[0].pixels[:12]}) == 12


def test_batches_are_made_ahead_while_one_is_in_use(files: list[Path]) -> None:
    images = ImageCache(files, RECORD, cache_mb=0)
    made = training_batches(
        images, np.arange(COUNT), np.arange(COUNT), batch_size=2, epoch=0, augmenter=flips(), workers=2
    )
    next(made)
    end = time.monotonic() + 10
    while images.reads < 8 and time.monotonic() < end:
        time.sleep(0.01)
    assert 8 <= images.reads <= 10  # three batches ahead of the one in use, and no more
    made.close()  # type: ignore[attr-defined]


def test_threads_end_when_the_reader_stops_early(files: list[Path]) -> None:
    made = evaluation_batches(ImageCache(files, RECORD), np.arange(COUNT), batch_size=2, workers=3)
    next(made)
    made.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lopore-batches")]


def test_the_second_epoch_waits_for_no_file(files: list[Path]) -> None:
    images = ImageCache(files, RECORD)
    epoch_of(images, 0)
    for path in files:
        path.unlink()
    assert len(epoch_of(images, 1)) == 6


def test_bad_files_are_named_before_the_first_epoch(files: list[Path]) -> None:
    files[3].unlink()
    files[7].write_text("no image")
    with pytest.raises(DataError, match=r"03\.png.*2 files") as caught:
        ImageCache(files, RECORD).check(range(COUNT))
    assert "\n" not in str(caught.value)


def test_a_file_that_breaks_in_the_middle_is_named(files: list[Path]) -> None:
    files[9].write_bytes(files[9].read_bytes()[:-60])
    with pytest.raises(DataError, match=r"09\.png"):
        epoch_of(ImageCache(files, RECORD), 0)


def test_grey_statistics_are_those_of_the_images(files: list[Path]) -> None:
    found = ImageCache(files, RECORD).appearances(range(COUNT))
    pixels = straight(files) / 255
    assert np.mean([one.mean for one in found]) == pytest.approx(pixels.mean())
    assert [one.std for one in found] == pytest.approx([image.std() for image in pixels])


def _masked(
    folder: Path, mask: NDArray[np.uint8], record: Preprocessing, labels: tuple[int, ...] = (1,), classes: int = 1
) -> NDArray[Any]:
    cv2.imwrite(str(folder / "picture.png"), np.full(mask.shape, 90, np.uint8))
    cv2.imwrite(str(folder / "mask.png"), mask)
    images = ImageCache(
        [folder / "picture.png"], record, masks=[[folder / "mask.png"]], mask_labels=[labels], classes=classes
    )
    batch = next(iter(evaluation_batches(images, np.array([0]), batch_size=1, labels=np.zeros((1, 1)))))
    assert batch.targets is not None
    assert batch.targets.dtype == np.int64
    return np.asarray(batch.targets[0])


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "crop"])
def test_masks_land_where_the_picture_lands(tmp_path: Path, resize: Any) -> None:
    mask = np.zeros((120, 200), np.uint8)
    mask[40:80, 90:150] = 255
    record = Preprocessing(size=(64, 64), resize=resize)
    got = _masked(tmp_path, mask, record)
    cv2.imwrite(str(tmp_path / "as-picture.png"), np.where(mask > 0, 255, 0).astype(np.uint8))
    seen = preprocess(read_for(record, tmp_path / "as-picture.png"), record)[0][:, :, 0] > 127
    assert np.logical_xor(seen, got == 1).sum() <= 0.06 * seen.sum()


def test_a_mask_may_hold_class_numbers_or_grey_edges(tmp_path: Path) -> None:
    numbers = np.zeros((64, 64), np.uint8)
    numbers[:32], numbers[40:, 40:] = 1, 2
    np.testing.assert_array_equal(_masked(tmp_path, numbers, Preprocessing(size=(64, 64)), (1, 2), 2), numbers)
    edges = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    np.testing.assert_array_equal(
        _masked(tmp_path, edges, Preprocessing(size=(64, 64)), (2,), 2), np.where(edges >= 128, 2, 0)
    )


def test_a_mask_of_another_size_is_refused_in_one_line(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), np.zeros((10, 12), np.uint8))
    with pytest.raises(DataError, match="they must be equal"):
        read_mask([tmp_path / "mask.png"], Geometry((20, 24), (16, 16), Affine()), [1], 1)


def test_a_small_defect_that_covers_half_a_pixel_of_the_input_stays_in_the_mask() -> None:
    mask = np.zeros((640, 640), np.uint8)
    mask[300:306, 300:306] = 1
    found = onto_input(mask, Geometry((640, 640), (160, 160), Affine(xx=0.25, yy=0.25)))
    assert 1 <= found.sum() <= 4
    assert found[75, 75] == 1


def test_masks_are_augmented_with_their_pictures(tmp_path: Path) -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[4:12, 18:30] = 255
    cv2.imwrite(str(tmp_path / "picture.png"), np.where(mask > 0, 200, 20).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    images = ImageCache(
        [tmp_path / "picture.png"],
        Preprocessing(size=32),
        masks=[[tmp_path / "mask.png"]],
        mask_labels=[[1]],
        classes=1,
    )
    augmenter = Augmenter(Augmentation.model_validate({"quarter_turns": True, "horizontal_flip": True}), (32, 32))
    batches = training_batches(
        images, np.zeros((1, 1)), np.zeros(12, np.int64), batch_size=12, epoch=0, augmenter=augmenter
    )
    batch = next(iter(batches))
    assert batch.targets is not None
    assert len({target.tobytes() for target in batch.targets}) > 3
    np.testing.assert_array_equal(batch.pixels[..., 0] > 100, batch.targets == 1)
