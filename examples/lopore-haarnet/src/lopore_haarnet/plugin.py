"""What lopore-haarnet offers; PyTorch is imported when a network is built, not here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lopore.contracts import Backbone, NetworkRequest
from lopore.hookspecs import hookimpl

LOPORE_API = 1
SIZES = {"haarnet-s": "0.5 million parameters", "haarnet-m": "2.8 million parameters"}


def _build(request: NetworkRequest) -> Any:
    from .network import build

    return build(request)


@hookimpl
def lopore_backbones() -> Iterable[Backbone]:
    for name, size in SIZES.items():
        yield Backbone(
            framework="torch",
            name=name,
            summary=f"Residual network behind a Haar wavelet stem that loses no grain or hairline; {size}",
            default_size=224,
            explanation_layer="body.stages",
            pretrained=(),
            build=_build,
        )
