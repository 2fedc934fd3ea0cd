"""U-Net (Ronneberger et al., MICCAI 2015) over a timm encoder, through segmentation_models_pytorch."""

from __future__ import annotations

from lopore.contracts import NetworkRequest
from lopore.errors import ConfigError

from .network import COLOURS, Segmenter, known_name

STRIDE = 32
DECODER_CHANNELS = (128, 64, 32, 24, 16)


def build_unet(name: str, request: NetworkRequest, planes: int) -> Segmenter:
    """A U-Net whose encoder is the timm network ``name``; logits have the input's height and width.

    planes: of the normalised input; with ``grey_input: convolution`` the encoder takes three.

    Raises ConfigError for a size that is no multiple of 32 and for encoders without a pyramid of features.
    """
    import segmentation_models_pytorch as smp

    known_name(name)
    colour = request.grey_input == "convolution"
    if any(length % STRIDE for length in request.size):
        raise ConfigError(
            f"a U-Net takes sizes that are multiples of {STRIDE}, not {request.size}; change preprocessing.size"
        )
    try:
        body = smp.Unet(
            f"tu-{name}", encoder_weights=None, in_channels=COLOURS if colour else planes, classes=request.outputs,
            decoder_channels=DECODER_CHANNELS,
        )  # fmt: skip
    except (RuntimeError, ValueError, AttributeError, KeyError, TypeError) as error:
        text = " ".join(str(error).split())[:160]
        raise ConfigError(f"'{name}' cannot lead a U-Net ({text}); take resnet18 or tf_efficientnet_lite0") from None
    return Segmenter(body, planes, colour=colour)
