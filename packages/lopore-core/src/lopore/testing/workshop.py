"""What the checks of one plugin share: its entries beside the installed ones, and one small trained model of a kind."""

from __future__ import annotations

import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from lopore.arrays import Framework, HeatMaps, Task
from lopore.atomic_files import sha256_of
from lopore.contracts import Backbone, Exporter, Learner, Predictor, Session, Trainer
from lopore.export.parity_gate import written_files
from lopore.plugins.problems import describe_error
from lopore.plugins.process_guard import Changes, preserve_state
from lopore.plugins.registry import Registry, discover
from lopore.record.folder import ModelFolder

from .check import NotJudged
from .learning import learn, learn_masks, publish

Model = Path | Callable[[], Path]
T = TypeVar("T")


@dataclass(frozen=True)
class Export:
    """What an exporter did: the folder it wrote, its notes, and the files of its source that it changed."""

    source: ModelFolder
    target: Path
    notes: Any
    changed: tuple[str, ...]
    process: Changes


def _wakes(framework: Framework) -> int:
    modules = {"tf": "tensorflow"}
    return 0 if modules.get(framework, framework) in sys.modules else 2 if framework == "tf" else 1


def _sums(folder: ModelFolder) -> dict[str, str]:
    files = (path for path in folder.path.rglob("*") if path.is_file())
    return {path.relative_to(folder.path).as_posix(): sha256_of(path) for path in files}


class Workshop:
    """Trains and exports what the checks of a plugin need, each once.

    models: a caller's own model folders. networks: a caller's own choice of backbones to train.
    """

    def __init__(
        self, plugin: Any, registry: Registry, models: Sequence[Model] = (), networks: Sequence[Backbone] = ()
    ) -> None:
        self.plugin, self.registry, self._models, self._networks = plugin, registry, models, networks
        self._trained: dict[tuple[Framework, Task], tuple[Learner, float, ModelFolder]] = {}
        self._formats: dict[str, ModelFolder] = {}
        self._exports: dict[str, Export] = {}
        self._maps: dict[tuple[str, str], list[HeatMaps]] = {}
        self._sessions: dict[tuple[str, str], Session] = {}
        self._segmenters: dict[Framework, tuple[Any, ModelFolder]] = {}
        self._once: dict[str, Any] = {}
        self._count = 0

    @cached_property
    def _home(self) -> Path:
        made = tempfile.mkdtemp(prefix="lopore-check-")
        weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
        return Path(made)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What ``make`` gives, made once; an error of its is not kept."""
        if name not in self._once:
            self._once[name] = make()
        made: T = self._once[name]
        return made

    def folder(self, name: str) -> Path:
        """A new empty folder that goes away with the workshop."""
        self._count += 1
        made = self._home / f"{self._count}-{name}"
        made.mkdir()
        return made

    def entries(self, kind: str) -> list[Any]:
        """Descriptors of one kind: the plugin's own, then those installed."""
        own, installed = getattr(self.registry, kind), getattr(discover(), kind)
        others = [installed[key] for key in installed if key not in own]
        # Two frameworks in one process may crash it: one that is awake goes first, TensorFlow last.
        return [*own.values(), *sorted(others, key=lambda entry: _wakes(getattr(entry, "framework", "")))]

    def trainer(self, framework: Framework) -> Trainer:
        for trainer in self.entries("trainers"):
            if framework in (trainer.framework, "any"):
                return trainer  # type: ignore[no-any-return]
        raise NotJudged(f"no trainer of {framework} is installed")

    def backbone(self, framework: Framework, *, segmentation: bool = False) -> Backbone:
        """The framework's backbone to try a trainer with: the caller's, the plugin's first, or an installed one."""
        for network in self._networks:
            if network.framework == framework and network.segmentation == segmentation:
                return network
        order = [backbone.name for backbone in getattr(self.plugin, "lopore_backbones", tuple)()]
        fitting: list[Backbone] = [
            backbone
            for backbone in self.entries("backbones")
            if backbone.framework == framework and backbone.segmentation == segmentation and backbone.family is None
        ]
        if not fitting:
            raise NotJudged(f"no {'segmentation ' * segmentation}backbone of {framework} is installed")
        known = [backbone for backbone in fitting if backbone.name in order]
        if known:
            return min(known, key=lambda backbone: order.index(backbone.name))
        # Of networks that nobody put in order the smallest is wanted; "18" and "small" are how makers name them.
        return min(fitting, key=lambda backbone: ("resnet18" not in backbone.name, backbone.default_size))

    def predictor(self, format: str) -> Predictor:
        own = [item for item in self.registry.predictors.values() if format in item.formats]
        fitting = own or [item for item in discover().predictors.values() if format in item.formats]
        if not fitting:
            raise NotJudged(f"no predictor that opens {format} is installed")
        return max(fitting, key=lambda predictor: predictor.preference)

    def trained(self, framework: Framework, task: Task) -> tuple[Learner, float, ModelFolder]:
        """A learner after the tiny set, its AUC on held-out images (NaN but for binary), and its published model."""
        made = self._trained.get((framework, task))
        if made is None:
            trainer = self.trainer(framework)
            if task not in trainer.tasks:
                raise NotJudged(f"the trainer of {framework} does not offer {task}")
            backbone = self.backbone(framework, segmentation=task == "segmentation")
            learner, score, request = learn(trainer, backbone, task)
            folder = self.folder(f"{framework}-{task}")
            made = learner, score, publish(trainer, learner, request, folder)
            self._trained[framework, task] = made
        return made

    def segmenter(self, framework: Framework) -> tuple[Any, ModelFolder]:
        """Scores of a segmentation learner after one epoch of discs and masks, and its published model."""
        if framework not in self._segmenters:
            trainer = self.trainer(framework)
            if "segmentation" not in trainer.tasks:
                raise NotJudged(f"the trainer of {framework} does not offer segmentation")
            backbone = self.backbone(framework, segmentation=True)
            self._segmenters[framework] = learn_masks(trainer, backbone, self.folder(f"{framework}-segmentation"))
        return self._segmenters[framework]

    def main_task(self, trainer: Trainer) -> Task:
        """The task that the kit trains: binary where it is offered, else the first that gives one row an image."""
        for task in ("binary", "multiclass", "multilabel"):
            if task in trainer.tasks:
                return task
        raise NotJudged(f"the trainer of {trainer.framework} offers no task but {', '.join(trainer.tasks) or 'none'}")

    def native_model(self, framework: Framework) -> ModelFolder:
        trainer = self.trainer(framework)
        return self.trained(trainer.framework, self.main_task(trainer))[2]

    @cached_property
    def given(self) -> list[ModelFolder]:
        """The caller's own models."""
        return [ModelFolder.read(model() if callable(model) else model) for model in self._models]

    def model(self, format: str) -> ModelFolder:
        """A model with a file of this format: the caller's, else one trained, else one exported from a trained one."""
        for folder in self.given:
            if format in folder.record.formats:
                return folder
        if format not in self._formats:
            self._formats[format] = self._make(format)
        return self._formats[format]

    def _make(self, format: str) -> ModelFolder:
        """A model in a format from whoever writes it; another's plugin that fails is passed over, its own is not."""
        failed = []
        for own, make in self._makers(format):
            try:
                return make()
            except (KeyboardInterrupt, AssertionError):
                raise
            except BaseException as error:
                if own:
                    raise
                failed.append(describe_error(error))
        if failed:
            raise NotJudged(f"nothing installed makes a model in {format}: {'; '.join(failed)}; give models=[FOLDER]")
        raise NotJudged(f"no trainer or exporter that writes {format} is installed; give models=[FOLDER]")

    def _makers(self, format: str) -> list[tuple[bool, Callable[[], ModelFolder]]]:
        found: list[tuple[bool, Callable[[], ModelFolder]]] = []
        for trainer in self.entries("trainers"):
            if trainer.native_format == format:
                own = trainer.key in self.registry.trainers
                found.append((own, partial(self.native_model, trainer.framework)))
        for exporter in self.entries("exporters"):
            trained_here = any(exporter.framework in (item.framework, "any") for item in self.entries("trainers"))
            if exporter.format == format and trained_here and not (exporter.calibrated or exporter.averages):
                own = exporter.key in self.registry.exporters
                found.append((own, partial(self.exported, exporter)))
        return found

    def export(self, exporter: Exporter) -> Export:
        """One run of an exporter on a trained model."""
        if exporter.key not in self._exports:
            source = self.native_model(exporter.framework)
            target = self.folder(f"{exporter.framework}-{exporter.format}")
            before = _sums(source)
            with preserve_state("call") as process:
                notes = exporter.export(source, target)
            after = _sums(source)
            changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
            self._exports[exporter.key] = Export(source, target, notes, tuple(changed), process)
        return self._exports[exporter.key]

    def exported(self, exporter: Exporter) -> ModelFolder:
        """What an exporter makes of a trained model, as a folder that opens."""
        run = self.export(exporter)
        files = tuple(written_files(run.source.record, exporter, run.target))
        return ModelFolder(run.target, run.source.record.model_copy(update={"files": files}))

    def any_format(self) -> str:
        """A format that can be had and opened here: the caller's, the plugin's own, a trainer's."""
        formats = [format for folder in self.given for format in folder.record.formats]
        written = {exporter.format for exporter in self.entries("exporters")}
        own = (format for predictor in self.registry.predictors.values() for format in predictor.formats)
        formats += [format for format in own if format in written]
        formats += [trainer.native_format for trainer in self.entries("trainers")]
        for format in formats:
            if any(format in predictor.formats for predictor in self.entries("predictors")):
                return format
        raise NotJudged("no model is given and no trainer is installed; give models=[FOLDER]")

    def session(self, format: str, predictor: Predictor | None = None) -> tuple[Session, ModelFolder]:
        """An open model of this format on the CPU, opened once for each predictor."""
        chosen = predictor or self.predictor(format)
        folder = self.model(format)
        if (chosen.name, format) not in self._sessions:
            folder.verify(format)
            self._sessions[chosen.name, format] = chosen.opens(folder, "cpu", 1)
        return self._sessions[chosen.name, format], folder

    def maps(self, key: str, format: str, make: Callable[[], list[HeatMaps]]) -> list[HeatMaps]:
        """The maps of an explainer, made once."""
        if (key, format) not in self._maps:
            self._maps[key, format] = make()
        return self._maps[key, format]
