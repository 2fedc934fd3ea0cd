"""Every developer command of lopore. `nox -s tests` and `nox -s demo` set up all they need from nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PACKAGES = sorted(path.name for path in (ROOT / "packages").iterdir() if (path / "pyproject.toml").is_file())
APART = ("lopore-ray",)
"""Of 200 MB, for clusters: `nox -s "tests-of(lopore-ray)"` tests it, with the packages beside it."""
TOGETHER = [name for name in PACKAGES if name not in APART]
PINS = ("--constraint", "constraints.txt")
DOCS_TOOLS = ("mkdocs", "mkdocs-material", "mkdocstrings-python", "ruff")  # ruff wraps long signatures
TEST_TOOLS = (
    "pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "scikit-image", "scikit-learn", "simplejpeg", "pillow",
    "onnx", "grad-cam", "captum", "selenium", "httpx", "tritonclient[http]", "websockets", "hatchling", "openvino",
    "kubernetes-validate", "statsmodels", "firthmodels", "mapie", "faster-coco-eval", "tifffile", "mypy", *DOCS_TOOLS,
)  # fmt: skip
AXE = "axe-core@4.14.1"
NOTEBOOK_TOOLS = ("nbclient==0.11.0", "nbformat==5.11.1", "ipykernel==7.4.0")  # for the session `notebooks` alone
EXTRAS = {
    "lopore-core": "[train,dicom,tiff,letters,sweep,mlflow,wandb,postgresql]",
    "lopore-enhance": "[segmentation]",
    "lopore-onnx": "[export]",
    "lopore-serve": "[dicom,postgresql]",
    "lopore-tf": "[offline]",
    "lopore-torch": "[offline]",
}
TESTED_WITH = {  # what a package's own tests train with, open or draw, beside the package itself and core
    "lopore-core": ("lopore-enhance", "lopore-onnx", "lopore-torch"),
    "lopore-enhance": (),
    "lopore-onnx": (),
    "lopore-torch": ("lopore-enhance", "lopore-onnx"),
    "lopore-tf": ("lopore-enhance", "lopore-onnx", "lopore-torch"),  # its networks are twins of PyTorch's
    "lopore-app": ("lopore-enhance", "lopore-onnx", "lopore-torch"),
    "lopore-serve": ("lopore-enhance", "lopore-onnx"),
    "lopore-ray": ("lopore-enhance", "lopore-onnx"),
    "lopore-weld": ("lopore-enhance", "lopore-onnx", "lopore-torch"),  # its weights start a training
}
QUICK_TESTS = (  # no training, no browser: what another interpreter or an old library could break first
    "packages/lopore-core/tests", "packages/lopore-enhance/tests", "packages/lopore-onnx/tests", "tests/test_layout.py",
)  # fmt: skip
PYTHONS = ("3.12", "3.13", "3.14")
COVERAGE_FLOOR = 90
FRESH = tuple(f"--refresh-package={name}" for name in PACKAGES)
"""uv keeps what it built of a version, and takes it again where only the sources changed."""
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
    """All packages together but lopore-ray, with the real libraries and, where there is Chromium, a real browser."""
    _install(session, *TOGETHER)
    session.install(*PINS, *TEST_TOOLS)
    # A file's tests share costly fixtures and stay together, in the order of conftest.py, which puts slow files first;
    # a thread for each process, since they share the cores.
    spread = ("-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder")
    session.run("pytest", *spread, *session.posargs, env=ONE_THREAD)


@nox.session(name="tests-of", default=False)
@nox.parametrize("package", [nox.param(name, id=name) for name in PACKAGES])
def tests_of(session: nox.Session, package: str) -> None:
    """One package's own tests, with that package and what its tests need, nothing else."""
    _install(session, *dict.fromkeys(("lopore-core", *TESTED_WITH.get(package, ()), package)))
    session.install(*PINS, *TEST_TOOLS)
    session.run("pytest", f"packages/{package}", *session.posargs)


@nox.session(default=False)
def quick(session: nox.Session) -> None:
    """The tests without training and browser, on the packages that need no framework: minutes on any system."""
    _install(session, "lopore-core", "lopore-enhance", "lopore-onnx")
    session.install(*PINS, *TEST_TOOLS)
    session.run("pytest", "-m", "not slow", *QUICK_TESTS, *session.posargs)


@nox.session(default=False, python=PYTHONS)
def pythons(session: nox.Session) -> None:
    """The quick tests of the framework-free packages on newer interpreters (uv fetches them)."""
    _install(session, "lopore-core", "lopore-enhance", "lopore-onnx")
    session.install(*PINS, *TEST_TOOLS)
    session.run("pytest", "-m", "not slow", *QUICK_TESTS, *session.posargs)


@nox.session(default=False)
def lowest(session: nox.Session) -> None:
    """The quick tests with the oldest libraries that the packages allow."""
    names = ("lopore-core", "lopore-enhance", "lopore-onnx")
    wanted = (f"./packages/{name}{EXTRAS.get(name, '')}" for name in names)
    session.install("--resolution", "lowest-direct", *FRESH, *wanted)
    session.install(
        "pytest", "pytest-timeout", "hypothesis", "onnx", "scikit-image", "scikit-learn", "pillow",
        "statsmodels", "mapie", "firthmodels", "faster-coco-eval",
    )  # fmt: skip
    session.run("pytest", "-m", "not slow", *QUICK_TESTS, *session.posargs)


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """All tests once more, counting which lines ran; under the floor it fails."""
    _install(session, *TOGETHER)
    session.install(*PINS, *TEST_TOOLS, "pytest-cov")
    spread = ("-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder")
    report = ("--cov", "--cov-report=term:skip-covered", f"--cov-fail-under={COVERAGE_FLOOR}")
    session.run("pytest", *spread, *report, *session.posargs, env=ONE_THREAD)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and import order."""
    session.install(*PINS, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict type checking of every package."""
    _install(session, *TOGETHER)
    session.install(*PINS, "mypy", "types-PyYAML", "openvino", "pytest")  # the last two for what imports them
    session.run("mypy", *[f"packages/{name}/src" for name in PACKAGES], *EXAMPLES)


def _archives(session: nox.Session, folder: Path) -> list[Path]:
    """One sdist and the wheel made from it for every package, in ``folder``."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in PACKAGES:
        session.run("python", "-m", "build", "--installer=uv", "-o", str(folder), f"packages/{name}", silent=True)
    return sorted(folder.iterdir())


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """One wheel and one sdist a package, in dist/, each looked into, installed alone and asked for its health."""
    session.install(*PINS, "build", "uv")
    archives = _archives(session, ROOT / "dist")
    session.run("python", "tools/check_archives.py", *map(str, archives))
    for wheel in (path for path in archives if path.suffix == ".whl" and "alone" in session.posargs):
        alone = Path(session.create_tmp()) / "alone"
        session.run("uv", "venv", "--clear", str(alone), silent=True)
        python = str(alone / "bin" / "python")
        found = ("--find-links", str(ROOT / "dist"))
        session.run("uv", "pip", "install", "--python", python, *PINS, *FRESH, *found, str(wheel), silent=True)
        session.run(python, "-m", "lopore", "doctor", external=True)


SMALL = ("lopore-core", "lopore-enhance", "lopore-onnx")
HEAVY = ("torch", "tensorflow", "sklearn", "streamlit", "sqlalchemy", "fastapi", "uvicorn", "pynetdicom", "ray")
ISOLATED = {  # what is added to core, enhance and onnx, and what of HEAVY may come with it
    "lopore-app": ("streamlit", "uvicorn"),
    "lopore-serve": ("fastapi", "uvicorn"),
    "lopore-ray": ("ray",),
    "lopore-weld": (),
}


@nox.session(default=False)
@nox.parametrize("package", list(ISOLATED))
def isolated(session: nox.Session, package: str) -> None:
    """Wheels of core, enhance, onnx and one more in an empty environment: what comes along, and a film inspected."""
    session.install(*PINS, "build", "uv")
    place = Path(session.create_tmp())
    names = dict.fromkeys(("lopore-weld", *SMALL, package))
    shutil.rmtree(place / "wheels", ignore_errors=True)
    for name in names:
        session.run("python", "-m", "build", "--installer=uv", "--wheel", "-o", str(place / "wheels"),
                    f"packages/{name}", silent=True)  # fmt: skip
    session.run("uv", "venv", "--clear", str(place / "small"), silent=True)
    python = str(place / "small" / "bin" / "python")
    wheels = [str(next((place / "wheels").glob(f"{name.replace('-', '_')}-*.whl"))) for name in names]
    session.run("uv", "pip", "install", "--python", python, *PINS, *wheels, silent=True)
    session.run(python, "-m", "lopore", "plugins", "--strict", external=True)
    shutil.rmtree(place / "made", ignore_errors=True)
    make = "import sys; from pathlib import Path; from lopore.synthesis.whole_film import write_whole_films"
    session.run(python, "-c", f"{make}; write_whole_films(Path(sys.argv[1]), 1, length_mm=40.0)", str(place / "made"),
                external=True)  # fmt: skip
    session.run(python, "-m", "lopore", "inspect", "weld", str(place / "made" / "films"), external=True)
    others = tuple(name for name in HEAVY if name not in ISOLATED[package])
    check = f"import importlib.util as u; found = [n for n in {others} if u.find_spec(n)]; assert not found, found"
    session.run(python, "-c", check, external=True)
    listed = str(session.run("uv", "pip", "freeze", "--python", python, silent=True)).splitlines()
    size = sum(path.stat().st_size for path in (place / "small").rglob("*") if path.is_file() and not path.is_symlink())
    session.log(f"{package}: {len(listed)} distributions, {size / 2**20:.0f} MiB")


@nox.session(default=False)
@nox.parametrize("framework", ["torch", "tf"])
def rows(session: nox.Session, framework: str) -> None:
    """A row of the README's install table in an empty environment: refused in one line, or trained to a model."""
    alone = Path(session.create_tmp()).resolve() / framework
    session.run("uv", "venv", "--clear", str(alone), silent=True, external=True)
    wanted = [str(ROOT / "packages" / "lopore-core") + "[train]", str(ROOT / "packages" / f"lopore-{framework}")]
    pins = ("--constraint", str(ROOT / "constraints.txt"))
    python = str(alone / "bin" / "python")
    session.run("uv", "pip", "install", "-q", "--python", python, *pins, *FRESH, *wanted, external=True)
    place = alone / "project"
    place.mkdir()
    session.chdir(place)
    lopore = str(alone / "bin" / "lopore")

    def run(*words: str, codes: tuple[int, ...] = (0,)) -> str:
        return str(session.run(lopore, *words, external=True, silent=True, success_codes=codes, env=ONE_THREAD))

    run("data", "init", ".")
    run("data", "synth", "data/raw", "--films", "8", "--size", "96")
    run("data", "index", "data/raw/labels.csv", "--out", "data/processed/films.csv")
    run("data", "split", "data/processed/films.csv", "--out", "data/splits/films.csv")
    small = ("--set", f"trainer={framework}", "--set", "preprocessing.size=64", "--epochs", "1")
    refused = run("train", "--config", "configs/first.yaml", *small, codes=(1,))
    assert "install lopore-onnx, or set exports to" in refused and refused.count("lopore: ") == 1, refused
    run("train", "--config", "configs/first.yaml", *small, "--set", "exports=[]")
    answered = run("predict", "--model", "first", "data/raw")
    assert "24 predicted, 0 failed" in answered, answered


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Make radiographs, train, evaluate, export, predict with ONNX, open the app (not with `-- --no-app`)."""
    _install(session, "lopore-core", "lopore-enhance", "lopore-torch", "lopore-onnx", "lopore-app")
    session.run("python", "tools/demo.py", *session.posargs)


@nox.session(default=False)
def notebooks(session: nox.Session) -> None:
    """The example notebooks, executed from top to bottom, each in an empty folder; their outputs are thrown away."""
    _install(session, "lopore-core", "lopore-torch", "lopore-onnx")
    session.install(*PINS, *NOTEBOOK_TOOLS)
    place = Path(session.create_tmp())
    for notebook in sorted((ROOT / "examples" / "notebooks").glob("*.ipynb")):
        folder = place / notebook.stem
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shutil.copy(notebook, folder)
        session.run("jupyter-execute", str(folder / notebook.name))


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
def accessibility(session: nox.Session) -> None:
    """Every page of the app before axe-core, and a film by keyboard; needs chromium, chromedriver and npm."""
    _install(session, "lopore-core", "lopore-enhance", "lopore-onnx", "lopore-app")
    session.install(*PINS, "pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "selenium", "onnx")
    place = session.create_tmp()
    session.run("npm", "install", "--no-audit", "--no-fund", "--prefix", place, AXE, external=True)
    rules = str(ROOT / place / "node_modules" / "axe-core" / "axe.min.js")
    session.run("pytest", "-n0", "packages/lopore-app/tests/test_accessibility.py", env={"LOPORE_AXE": rules})


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Every benchmark, each against its named alternative in the same run."""
    _install(session, *TOGETHER)
    session.install(*PINS, *TEST_TOOLS, "albumentations==2.0.8")  # what augmentation and decoding are measured beside
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
