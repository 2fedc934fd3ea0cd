"""Enhancements for weld radiographs, built on OpenCV: the list that lopore reads. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

from lopore.affine import Affine
from lopore.contracts import Enhancer, NoParams, Params, Pixels
from lopore.hookspecs import hookimpl

from . import parameters as p
from .presets import led_by
from .reach import REACH

LOPORE_API = 1


@cache
def _opened(module: str, function: str) -> Callable[..., Any]:
    """``function`` of ``module``; OpenCV is imported here, at the first call."""
    found: Callable[..., Any] = getattr(import_module(f"lopore_enhance.{module}"), function)
    return found


def _apply(module: str, function: str) -> Callable[[Pixels, Any], Pixels]:
    """The enhancement, its keywords filled from the parameters; ``dict`` would take 4 us, a tenth of a small median."""

    def apply(pixels: Pixels, params: Params) -> Pixels:
        result: Pixels = _opened(module, function)(pixels, **vars(params))
        return result

    return apply


def _lookup(function: str) -> Callable[[Any, Any], Pixels]:
    def lookup(dtype: Any, params: Params) -> Pixels:
        table: Pixels = _opened("contrast", function)(dtype, **vars(params))
        return table

    return lookup


def _motion(function: str) -> Callable[[tuple[int, int], Any], Affine]:
    def motion(shape: tuple[int, int], params: Params) -> Affine:
        move: Affine = _opened("geometry", function)(shape, **vars(params))
        return move

    return motion


def _survey(function: str) -> Callable[..., Callable[[Pixels, int, int], Pixels]]:
    def survey(*facts: Any) -> Callable[[Pixels, int, int], Pixels]:
        placed: Callable[[Pixels, int, int], Pixels] = _opened("surveys", function)(*facts)
        return placed

    return survey


SURVEYED = ("stretch", "equalize")
"""Enhancements that need a film's histogram and no more: see ``surveys``."""


def _enhancer(
    module: str, name: str, summary: str, params: type[Params], *, pointwise: bool = False, preview_only: bool = False
) -> Enhancer:
    """The descriptor of the function that is called ``name`` with underscores."""
    function = name.replace("-", "_")
    return Enhancer(
        name=name,
        summary=summary,
        params=params,
        apply=_apply(module, function),
        preview_only=preview_only,
        lookup=_lookup(f"{function}_table") if pointwise else None,
        motion=_motion(f"{function}_motion") if module == "geometry" else None,
        reach=REACH.get(name),
        survey=_survey(f"{function}_survey") if name in SURVEYED else None,
        presets=led_by(name),
    )


def _contrast() -> Iterator[Enhancer]:
    yield _enhancer("clahe", "clahe", "Local contrast with limited noise gain", p.Clahe)
    curves: list[tuple[str, str, type[Params]]] = [
        ("brightness", "Brighter or darker by a fixed amount", p.Brightness),
        ("contrast", "Grey values spread about one that stays", p.Contrast),
        ("gamma", "Dark or bright parts opened by a power curve", p.Gamma),
        ("invert", "Film negative to positive and back", NoParams),
        ("window", "Level and width, in percent of full scale", p.Window),
        ("window-grey", "Level and width in grey values of the file, as DICOM gives them", p.WindowGrey),
    ]
    for name, summary, params in curves:
        yield _enhancer("contrast", name, summary, params, pointwise=True)
    yield _enhancer("contrast", "stretch", "Window set by percentiles of the image itself", p.Stretch)
    yield _enhancer("contrast", "equalize", "Histogram equalisation over the whole image", NoParams)
    yield _enhancer("contrast", "greyscale", "Tint removed, channels kept", NoParams)


def _smoothing() -> Iterator[Enhancer]:
    yield _enhancer("denoise", "median", "Specks removed, edges kept", p.Median)
    yield _enhancer("denoise", "non-local-means", "Grain removed, fine lines kept; slow", p.NonLocalMeans)
    yield _enhancer("denoise", "bilateral", "Smooth within edges", p.Bilateral)
    yield _enhancer("denoise", "gaussian", "Gaussian smoothing", p.Gaussian)
    yield _enhancer("denoise", "mean", "Mean of a square window", p.Mean)
    yield _enhancer("denoise", "minimum", "Darkest value of a square window", p.Minimum)
    yield _enhancer("denoise", "maximum", "Brightest value of a square window", p.Maximum)
    yield _enhancer("denoise", "mode", "Most frequent value of a square window", p.Mode)
    yield _enhancer("denoise", "blur", "Geometric unsharpness: every point a disc", p.Blur)


def _detail() -> Iterator[Enhancer]:
    yield _enhancer("detail", "unsharp-mask", "Detail of one size sharpened", p.UnsharpMask)
    yield _enhancer("detail", "sharpness", "Sharper or softer by one dial", p.Sharpness)
    yield _enhancer("detail", "flatten", "Slow shading of plate and beam taken away", p.Flatten)
    local = "Grey against the film's own background, in units of the local spread"
    yield _enhancer("local_contrast", "local-contrast", local, p.LocalContrast)
    noise = "Grey against the film's own background, in units of the local noise"
    yield _enhancer("contrast_to_noise", "contrast-to-noise", noise, p.ContrastToNoise)


def _geometry() -> Iterator[Enhancer]:
    yield _enhancer("geometry", "resize", "Other size, aspect kept or forced", p.Resize)
    yield _enhancer("geometry", "crop", "A rectangle cut out, in pixels", p.Crop)
    yield _enhancer("geometry", "crop-margins", "Margins cut away, in percent", p.CropMargins)
    yield _enhancer("geometry", "flip-horizontal", "Left and right changed", NoParams)
    yield _enhancer("geometry", "flip-vertical", "Top and bottom changed", NoParams)
    yield _enhancer("geometry", "rotate", "Quarter turns clockwise", p.Rotate)


def _noise() -> Iterator[Enhancer]:
    yield _enhancer("noise", "gaussian-noise", "Normal noise, to try robustness", p.GaussianNoise)
    yield _enhancer("noise", "salt-and-pepper", "White and black specks, to try robustness", p.SaltAndPepper)


def _previews() -> Iterator[Enhancer]:
    listed: list[tuple[str, str, type[Params]]] = [
        ("adaptive-threshold", "Darker or brighter than the surroundings", p.AdaptiveThreshold),
        ("otsu", "Dark parted from bright by one threshold", NoParams),
        ("canny", "Edges, one pixel wide", p.Canny),
        ("sobel", "Steepness of grey values", p.Sobel),
        ("felzenszwalb", "Regions of like brightness", p.Felzenszwalb),
    ]
    for name, summary, params in listed:
        yield _enhancer("preview", name, summary, params, preview_only=True)


@hookimpl
def lopore_enhancers() -> Iterator[Enhancer]:
    """Every enhancement of this package."""
    for group in (_contrast, _smoothing, _detail, _geometry, _noise, _previews):
        yield from group()
