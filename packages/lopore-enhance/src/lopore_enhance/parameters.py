"""What each enhancement lets a user set: bounds, defaults and descriptions draw controls and check chains."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lopore.contracts import Params

RADIUS = "Pixels each side of the centre: 1 is a 3 x 3 window"
SEED = "Same seed, same noise"


class Clahe(Params):
    clip_limit: float = Field(2.0, ge=1, le=16, description="Multiple of the mean histogram bin")
    tiles: int = Field(8, ge=1, le=32, description="Tiles per side, each at least 8 px")


class Brightness(Params):
    amount: float = Field(10.0, ge=-100, le=100, description="Percent of full scale added")


class Contrast(Params):
    factor: float = Field(1.5, ge=0, le=10, description="1 changes nothing, under 1 flattens, over 1 spreads")
    pivot: float = Field(50.0, ge=0, le=100, description="Grey value that stays, in percent of full scale")


class Gamma(Params):
    gamma: float = Field(0.7, ge=0.1, le=10, description="Under 1 opens dark parts, over 1 bright ones")


class Window(Params):
    level: float = Field(50.0, ge=0, le=100, description="Centre of the window, in percent of full scale")
    width: float = Field(100.0, ge=0.05, le=200, description="Grey values shown, in percent of full scale")


class WindowGrey(Params):
    level: float = Field(128.0, ge=0, le=65535, description="Centre of the window, a grey value of the file")
    width: float = Field(256.0, ge=1, le=131_072, description="Grey values shown about the level")


class Stretch(Params):
    low: float = Field(0.5, ge=0, le=100, description="Percentile of the image that becomes black")
    high: float = Field(99.5, ge=0, le=100, description="Percentile of the image that becomes white")

    @model_validator(mode="after")
    def _low_is_under_high(self) -> Stretch:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not under high {self.high}")
        return self


class Median(Params):
    radius: int = Field(1, ge=1, le=15, description=RADIUS)


class Mean(Params):
    radius: int = Field(1, ge=1, le=50, description=RADIUS)


class Minimum(Params):
    radius: int = Field(1, ge=1, le=25, description=RADIUS)


class Maximum(Params):
    radius: int = Field(1, ge=1, le=25, description=RADIUS)


class Mode(Params):
    radius: int = Field(1, ge=1, le=3, description=RADIUS)
    classes: int = Field(256, ge=2, le=256, description="Classes that grey values are counted in, darkest to brightest")


class Gaussian(Params):
    sigma: float = Field(1.0, ge=0.1, le=50, description="Pixels")


class Blur(Params):
    radius: float = Field(2.0, ge=0.5, le=15, description="Pixels from the centre of the disc to its rim")


class Bilateral(Params):
    radius: int = Field(3, ge=1, le=10, description="Pixels from the centre of the round window to its rim")
    sigma_grey: float = Field(12.0, ge=0.1, le=255, description="Difference that still mixes, in 8-bit grey levels")
    sigma_space: float = Field(3.0, ge=0.1, le=25, description="Pixels")


class NonLocalMeans(Params):
    strength: float = Field(4.0, ge=0.1, le=50, description="About the noise's deviation, in 8-bit grey levels")
    patch_radius: int = Field(3, ge=1, le=7, description="Surroundings compared: 3 is a 7 x 7 patch")
    search_radius: int = Field(10, ge=1, le=20, description="Where like patches are sought: 10 is a 21 x 21 window")


class UnsharpMask(Params):
    sigma: float = Field(1.5, ge=0.1, le=50, description="Size of the detail in pixels")
    amount: float = Field(1.0, ge=0, le=10, description="How much of the detail is added")
    threshold: float = Field(0.0, ge=0, le=255, description="Smaller differences stay, in 8-bit grey levels")


class Sharpness(Params):
    factor: float = Field(2.0, ge=0, le=10, description="0 is smooth, 1 changes nothing, 2 is sharper")


class Flatten(Params):
    sigma: float = Field(40.0, ge=4, le=1000, description="Background width in pixels; clearly wider than a defect")
    mode: Literal["subtract", "divide"] = Field("subtract", description="Subtract for film, divide for detectors")


class LocalContrast(Params):
    radius: int = Field(30, ge=1, le=500, description="Background: pixels from the middle to the side of its square")
    spread_radius: int = Field(60, ge=1, le=500, description="Spread: pixels from the middle to the side of its square")
    gain: float = Field(8.0, gt=0, le=100, description="Per cent of full scale for one unit of spread")
    floor: float = Field(0.4, ge=0.01, le=100, description="Smallest spread, in per cent of full scale")


class ContrastToNoise(Params):
    radius: int = Field(12, ge=1, le=500, description="Background: pixels from the middle to the side of its square")
    noise_radius: int = Field(24, ge=1, le=500, description="Noise: pixels from the middle to the side of its square")
    knee: float = Field(
        8.0, gt=0, le=1000, description="Contrast-to-noise ratio half way from mid-grey to the end of the scale"
    )
    floor: float = Field(0.05, ge=0.001, le=100, description="Smallest noise, in per cent of full scale")


class Resize(Params):
    width: int = Field(640, ge=1, le=32767, description="Pixels")
    height: int = Field(640, ge=1, le=32767, description="Pixels")
    fit: Literal["keep", "force"] = Field("keep", description="Keep the aspect inside the box, or force the size")
    resampling: Literal["antialias", "nearest", "bilinear", "cubic", "area", "lanczos"] = Field(
        "antialias", description="How new pixels are made; 'antialias' is what models are fed with"
    )


class Crop(Params):
    left: int = Field(0, ge=0, le=1_000_000, description="Pixels")
    top: int = Field(0, ge=0, le=1_000_000, description="Pixels")
    width: int = Field(0, ge=0, le=1_000_000, description="Pixels; 0 reaches to the edge")
    height: int = Field(0, ge=0, le=1_000_000, description="Pixels; 0 reaches to the edge")


class CropMargins(Params):
    left: float = Field(0.0, ge=0, lt=100, description="Percent of the width cut away")
    right: float = Field(0.0, ge=0, lt=100, description="Percent of the width cut away")
    top: float = Field(0.0, ge=0, lt=100, description="Percent of the height cut away")
    bottom: float = Field(0.0, ge=0, lt=100, description="Percent of the height cut away")


class Rotate(Params):
    quarters: int = Field(1, ge=1, le=3, description="Quarter turns clockwise")


class GaussianNoise(Params):
    sigma: float = Field(2.0, ge=0, le=50, description="Standard deviation in percent of full scale")
    seed: int = Field(0, ge=0, lt=2**32, description=SEED)


class SaltAndPepper(Params):
    amount: float = Field(1.0, ge=0, le=100, description="Percent of all pixels")
    salt: float = Field(50.0, ge=0, le=100, description="Percent of those that turn white")
    seed: int = Field(0, ge=0, lt=2**32, description=SEED)


class AdaptiveThreshold(Params):
    radius: int = Field(15, ge=1, le=200, description="Pixels each side of the centre: 15 is a 31 x 31 window")
    offset: float = Field(5.0, ge=-255, le=255, description="8-bit grey levels that black lies under its surroundings")
    method: Literal["mean", "gaussian"] = Field("mean", description="How the surroundings are averaged")


class Canny(Params):
    low: float = Field(25.0, ge=0, le=2000, description="An edge goes on down to this gradient, in 8-bit grey levels")
    high: float = Field(60.0, ge=0, le=2000, description="An edge begins at this gradient, in 8-bit grey levels")

    @model_validator(mode="after")
    def _low_is_not_over_high(self) -> Canny:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is over high {self.high}")
        return self


class Sobel(Params):
    gain: float = Field(12.0, ge=0.1, le=100, description="Brightness per grey level of change from pixel to pixel")


class Felzenszwalb(Params):
    scale: float = Field(100.0, ge=1, le=10_000, description="Larger makes larger regions")
    sigma: float = Field(0.8, ge=0, le=10, description="Pixels of smoothing before")
    smallest: int = Field(50, ge=1, le=100_000, description="Pixels that a region has at least")
    show: Literal["mean", "borders"] = Field("mean", description="Fill regions with their mean, or draw their borders")
