"""lopore's augmentation steps against albumentations 2.0.8: equal statistics, and processor time, in one run.

python benchmarks/bench_augment.py [--draws 400] [--rounds 5] [--json FILE]      (pip install albumentations==2.0.8)

Films are made ones of 224 px, each another, with a mask of their brightest part. For each step both sides draw as many
images with the same ranges; mean grey, contrast, grain, mean change and how far the mask moved are compared by the test
of Kolmogorov and Smirnov. Of 60 such tests the least p is 0.05 / 60 for equal steps in one run of twenty. Time is CPU
time of one thread, an image with its mask; the median of the rounds' ratios counts. 16-bit images went through float32
with albumentations, whose steps have no 16-bit arithmetic, and so they do here.
"""

from __future__ import annotations

import functools
import math
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as a
import cv2
import numpy as np
from figures import arguments, keep
from scipy.stats import ks_2samp

from lopore import sample_film
from lopore.augmentation.augmenter import Augmenter
from lopore.config.augmentation import Augmentation
from lopore.preprocessing.resampling import resize

SIDE = 224
FILMS = 16
Draw = Callable[[Any, Any, int], tuple[Any, Any]]
EDGE: dict[str, Any] = {"border_mode": cv2.BORDER_REFLECT_101}


def signal_of(factor: tuple[float, float], p: float) -> Any:
    """albumentations has no such step: written for it as lopore had it."""

    class Signal(a.ImageOnlyTransform):  # type: ignore[misc]
        def get_params(self) -> dict[str, Any]:
            return {"factor": math.exp(self.py_random.uniform(math.log(factor[0]), math.log(factor[1])))}

        def apply(self, img: Any, factor: float = 1.0, **_: Any) -> Any:
            if img.dtype == np.uint8:
                table = np.rint(np.clip((np.arange(256.0) - 128) * factor + 128, 0, 255)).astype(np.uint8)
                return table[img]
            return np.clip((img - np.float32(0.5)) * np.float32(factor) + np.float32(0.5), 0, 1)

    return Signal(p=p)


def theirs_of(name: str, step: Any, p: float) -> Any:
    """The transform that lopore used before it had steps of its own."""
    made: dict[str, Callable[[], Any]] = {
        "horizontal_flip": lambda: a.HorizontalFlip(p=p),
        "vertical_flip": lambda: a.VerticalFlip(p=p),
        "quarter_turns": lambda: a.RandomRotate90(p=p),
        "random_crop": lambda: a.RandomResizedCrop(
            (SIDE, SIDE), scale=(step.smallest_area, 1.0), ratio=(1.0, 1.0), p=p
        ),
        "scale": lambda: a.Affine(scale=(1 - step.by, 1 + step.by), keep_ratio=True, p=p, **EDGE),
        "rotate": lambda: a.Rotate(limit=step.degrees, p=p, **EDGE),
        "elastic": lambda: a.ElasticTransform(
            alpha=step.displacement * math.sqrt(3) * 2 * step.smoothness * math.sqrt(math.pi), sigma=step.smoothness,
            noise_distribution="uniform", p=p, **EDGE,
        ),
        "gaussian_blur": lambda: a.GaussianBlur(blur_limit=0, sigma_limit=step.sigma, p=p),
        "motion_blur": lambda: a.MotionBlur(blur_limit=(3, step.length), allow_shifted=False, p=p),
        "brightness_contrast": lambda: a.RandomBrightnessContrast(
            brightness_limit=step.brightness, contrast_limit=step.contrast, p=p
        ),
        "gamma": lambda: a.RandomGamma(gamma_limit=(step.exponent[0] * 100, step.exponent[1] * 100), p=p),
        "signal": lambda: signal_of(step.factor, p),
        "noise": lambda: a.GaussNoise(std_range=step.sigma, p=p),
    }  # fmt: skip
    return made[name]()


def peer(transforms: list[Any], seed: int) -> Draw:
    """albumentations as lopore drove it: float32 for deep images, generators set for each image."""
    import random

    compose = a.Compose(transforms)

    def draw(image: Any, mask: Any, number: int) -> tuple[Any, Any]:
        words = np.random.SeedSequence([seed, 0, number]).generate_state(2, np.uint64)
        compose.set_random_state(np.random.Generator(np.random.PCG64(int(words[0]))), random.Random(int(words[1])))
        deep = image.dtype == np.uint16
        given = image.astype(np.float32) / np.float32(65535) if deep else image
        out = compose(image=given, mask=mask)
        changed = out["image"].reshape(image.shape)
        if deep:
            changed = np.rint(np.clip(changed, 0, 1) * np.float32(65535)).astype(np.uint16)
        return np.ascontiguousarray(changed), np.ascontiguousarray(out["mask"])

    return draw


def own(recipe: Augmentation, seed: int) -> Draw:
    augmenter = Augmenter(recipe, (SIDE, SIDE), seed)
    return lambda image, mask, number: augmenter(image, epoch=0, index=number, mask=mask)


@functools.cache
def films(depth: int) -> list[tuple[Any, Any]]:
    """Made films at the network's size, and masks of their brightest tenth."""
    found = []
    for seed in range(FILMS):
        pixels = sample_film("pore", seed, bit_depth=16).pixels
        image = np.rint(np.clip(resize(pixels.astype(np.float32), (SIDE, SIDE)), 0, 65535))
        image = (image if depth == 16 else image / 257).astype(np.uint16 if depth == 16 else np.uint8)[:, :, None]
        found.append((image, (image[:, :, 0] > np.quantile(image, 0.9)).astype(np.uint8)))
    return found


def figures_of(draw: Draw, material: list[tuple[Any, Any]], draws: int) -> dict[str, list[float]]:
    """Statistics of every draw."""
    found: dict[str, list[float]] = {name: [] for name in ("grey", "contrast", "grain", "change", "mask")}
    for number in range(draws):
        image, mask = material[number % len(material)]
        out, moved = draw(image, mask, number)
        values, before = out[:, :, 0].astype(np.float64), image[:, :, 0].astype(np.float64)
        found["grey"].append(values.mean() - before.mean())
        found["contrast"].append(values.std() / before.std())
        grain = [np.abs(np.diff(one, 2, axis=1)).mean() for one in (values, before)]
        found["grain"].append(grain[0] / grain[1])
        found["change"].append(np.abs(values - before).mean())
        found["mask"].append((moved & mask).sum() / max(1, (moved | mask).sum()))
    return found


def compared(name: str, draws: int) -> dict[str, Any]:
    """Least p over the statistics in which a step varies, and means of both sides."""
    recipe = Augmentation.model_validate({name: {"probability": 1.0}})
    material = films(8)
    ours = figures_of(own(recipe, 1), material, draws)
    theirs = figures_of(peer([theirs_of(name, recipe.steps[name], 1.0)], 2), material, draws)
    tests = {key: float(ks_2samp(ours[key], theirs[key]).pvalue) for key in ours if np.ptp(ours[key] + theirs[key]) > 0}
    worst = min(tests, key=lambda key: tests[key])
    means = {key: (round(float(np.mean(ours[key])), 4), round(float(np.mean(theirs[key])), 4)) for key in ours}
    return {"least p": round(tests[worst], 4), "of": worst, "means, lopore and albumentations": means}


def seconds(draw: Draw, material: list[tuple[Any, Any]]) -> float:
    began = time.process_time()
    for number, (image, mask) in enumerate(material * 4):
        draw(image, mask, number)
    return (time.process_time() - began) / (4 * len(material))


def speed(recipe: Augmentation, p: float | None, depth: int, rounds: int) -> dict[str, float]:
    """Microseconds an image of both sides, and the median ratio of the rounds."""
    material = films(depth)
    transforms = [theirs_of(name, step, p or step.probability) for name, step in recipe.steps.items()]
    sides = {"lopore": own(recipe, 0), "albumentations": peer(transforms, 0)}
    for draw in sides.values():
        seconds(draw, material)
    times = [{name: seconds(draw, material) for name, draw in sides.items()} for _ in range(rounds)]
    ratio = statistics.median(one["albumentations"] / one["lopore"] for one in times)
    return {
        **{f"{name} us": round(1e6 * min(one[name] for one in times)) for name in sides},
        "times as fast": round(ratio, 2),
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    steps = [name for name in Augmentation.model_fields if name != "others"]
    found: dict[str, Any] = {}
    for name in steps:
        recipe = Augmentation.model_validate({name: {"probability": 1.0}})
        found[name] = {
            **compared(name, asked.draws),
            **{f"{d} bit": speed(recipe, 1.0, d, asked.rounds) for d in (8, 16)},
        }
        print(name, found[name], flush=True)
    whole = Augmentation.model_validate(dict.fromkeys(steps, True))
    found["all, at their usual probabilities"] = {f"{d} bit": speed(whole, None, d, asked.rounds) for d in (8, 16)}
    print("all", found["all, at their usual probabilities"])
    keep(found, asked.json)


if __name__ == "__main__":
    main()
