"""Every developer command of lopore. `nox -s tests` and `nox -s demo` set up all they need from nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PACKAGES = sorted(path.name for path in (ROOT / "packages").iterdir() if (path / "pyproject.toml").is_file())
PINS = ("--constraint", "constraints.txt")
DOCS_TOOLS = ("mkdocs", "mkdocs-material", "mkdocstrings-python", "ruff")  # ruff wraps long signatures
TEST_TOOLS = (
    "pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "scikit-image", "simplejpeg", "pillow", "onnx",
    "grad-cam", "captum", "selenium", "websockets", "hatchling", "openvino", *DOCS_TOOLS,
)  # fmt: skip
EXTRAS = {
    "lopore-core": "[train,dicom,tiff]",
    "lopore-enhance": "[segmentation]",
    "lopore-tf": "[offline]",
    "lopore-torch": "[offline]",
}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
EXAMPLES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "examples").glob("*/src"))

# Without compiled bytecode every process that a session starts compiles torch, TensorFlow and Streamlit anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests"]


def _install(session: nox.Session, *packages: str) -> None:
    options = [option for name in packages for option in ("-e", f"packages/{name}{EXTRAS.get(name, '')}")]
    session.install(*PINS, *options)


@nox.session
def tests(session: nox.Session) -> None:
    """All packages together, with the real libraries and, where Chromium is installed, a real browser."""
    _install(session, *PACKAGES)
    session.install(*PINS, *TEST_TOOLS)
    # A file's tests share costly fixtures and stay together, in the order of conftest.py, which puts slow files first;
    # a thread for each process, since they share the cores.
    spread = ("-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder")
    session.run("pytest", *spread, *session.posargs, env=ONE_THREAD)


@nox.session(name="tests-of", default=False)
@nox.parametrize("package", PACKAGES)
def tests_of(session: nox.Session, package: str) -> None:
    """One package's own tests."""
    _install(session, *PACKAGES)
    session.install(*PINS, *TEST_TOOLS)
    session.run("pytest", f"packages/{package}", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and import order."""
    session.install(*PINS, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict type checking of every package."""
    _install(session, *PACKAGES)
    session.install(*PINS, "mypy", "types-PyYAML", "openvino")
    session.run("mypy", *[f"packages/{name}/src" for name in PACKAGES], *EXAMPLES)


def _wheels(session: nox.Session, folder: Path) -> list[str]:
    shutil.rmtree(folder, ignore_errors=True)
    for name in PACKAGES:
        session.run(
            "python", "-m", "build", "--wheel", "--installer=uv", "-o", str(folder), f"packages/{name}", silent=True
        )
    return sorted(str(path) for path in folder.glob("*.whl"))


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """One wheel a package, in dist/."""
    session.install(*PINS, "build", "uv")
    for wheel in _wheels(session, ROOT / "dist"):
        session.log(wheel)


@nox.session(default=False)
def isolated(session: nox.Session) -> None:
    """Wheels of core, enhance, onnx and app in an environment without any framework, serving an exported model."""
    session.install(*PINS, "build", "uv")
    wheels = _wheels(session, ROOT / "dist")
    wanted = ("lopore_core", "lopore_enhance", "lopore_onnx", "lopore_app")
    small = Path(session.create_tmp()) / "small"
    session.run("uv", "venv", "--clear", str(small), silent=True)
    python = str(small / "bin" / "python")
    chosen = [wheel for wheel in wheels if Path(wheel).name.startswith(wanted)]
    session.run("uv", "pip", "install", "--python", python, *PINS, *chosen, silent=True)
    session.run(python, "-m", "lopore", "plugins", "--strict", external=True)
    models = sorted((ROOT / "demo" / "models" / "final").glob("*/*/lopore.json"))
    films = sorted((ROOT / "demo" / "films").glob("*/*.png"))[:3]
    if models and films:
        session.run(
            python, "-m", "lopore", "predict", "--model", str(models[-1].parent), *map(str, films), external=True
        )
    check = "import importlib.util as u; assert not any(map(u.find_spec, ('torch', 'tensorflow', 'sklearn')))"
    session.run(python, "-c", check, external=True)
    size = sum(path.stat().st_size for path in small.rglob("*") if path.is_file() and not path.is_symlink())
    session.log(f"installed size: {size / 2**20:.0f} MiB")


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Make radiographs, train, evaluate, export, predict with ONNX, open the app (not with `-- --no-app`)."""
    _install(session, "lopore-core", "lopore-enhance", "lopore-torch", "lopore-onnx", "lopore-app")
    session.run("python", "tools/demo.py", *session.posargs)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """The documentation site in site/, without a network; broken links, anchors and lost pages are errors."""
    _install(session, "lopore-core")
    session.install(*PINS, *DOCS_TOOLS)
    session.run("mkdocs", "build", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(default=False)
def app(session: nox.Session) -> None:
    """The app alone, over the models of ./models/final and LOPORE_MODELS."""
    _install(session, "lopore-core", "lopore-enhance", "lopore-onnx", "lopore-app")
    session.run("lopore", "app", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Every benchmark, each against its named alternative in the same run."""
    _install(session, *PACKAGES)
    session.install(*PINS, *TEST_TOOLS)
    for script in sorted((ROOT / "benchmarks").glob("bench_*.py")):
        session.run("python", str(script), *session.posargs)


@nox.session(default=False, reuse_venv=False)
def pins(session: nox.Session) -> None:
    """Write constraints.txt anew: the newest versions that install together today, without addresses."""
    options = [option for name in PACKAGES for option in ("-e", f"packages/{name}{EXTRAS.get(name, '')}")]
    session.install("--upgrade", *options, *TEST_TOOLS, "ruff", "mypy", "types-PyYAML", "build", "uv")
    found = session.run("uv", "pip", "freeze", "--exclude-editable", silent=True) or ""
    lines = [line for line in found.splitlines() if "==" in line]
    (ROOT / "constraints.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    session.log(f"{len(lines)} versions pinned")
