"""A wrong config is one line that says where, what was got and what is near."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lopore.config.experiment import Experiment, dump_experiment, load_experiment, parse_experiment
from lopore.errors import ConfigError, LoporeError
from lopore.preprocessing.enhancement_chain import Chain

SMALLEST: dict[str, Any] = {"name": "weld", "data": {"manifest": "films.csv"}}


def with_value(dotted: str, value: Any) -> dict[str, Any]:
    data = copy.deepcopy(SMALLEST)
    at, (*parents, last) = data, dotted.split(".")
    for parent in parents:
        at = at.setdefault(parent, {})
    at[last] = value
    return data


@pytest.mark.parametrize(
    ("dotted", "value", "said"),
    [
        ("trainin", {}, "unknown key 'trainin', did you mean 'training'?"),
        (
            "training.optimizer.learning_rte",
            1,
            "unknown key 'training.optimizer.learning_rte', did you mean 'learning_rate'?",
        ),
        ("training.learning_rate", 0.1, "unknown key 'training.learning_rate', it belongs under training.optimizer"),
        ("epochs", 3, "unknown key 'epochs', it belongs under training"),
        (
            "training.early_stopping.patiance",
            3,
            "unknown key 'training.early_stopping.patiance', did you mean 'patience'?",
        ),
        ("augmentation.rotatoin", {}, "unknown key 'augmentation.rotatoin', did you mean 'rotate'?"),
        (
            "augmentation.rotate.degrees",
            300,
            "augmentation.rotate.degrees: Input should be less than or equal to 180 (got 300)",
        ),
        ("augmentation", "nonee", "augmentation: Input should be 'none' (got 'nonee'), or a mapping"),
        ("training.epochs", 0, "training.epochs: Input should be greater than or equal to 1 (got 0)"),
        ("training.tta_views", 3, "training: tta_views is 3; allowed are 1, 2, 4, 8"),
        ("task", "binary", "task 'binary' needs data.positive, the class that counts as a detection"),
        ("preprocessing.window", {"low": 9, "high": 3}, "preprocessing.window: window low 9.0 is not under high 3.0"),
        ("data", None, "data: Input should be a mapping (got nothing)"),
        (
            "",
            1,
            f"unknown key '', allowed: {', '.join(Experiment.model_fields)}",
        ),
        ("exports", "onnx", "exports: Input should be a list (got 'onnx')"),
    ],
)
def test_a_wrong_value_is_told_with_its_place_and_what_is_allowed(dotted: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_experiment(with_value(dotted, value), source="weld.yaml")
    assert str(caught.value) == f"weld.yaml: {said}"


def test_a_convolution_from_grey_to_colour_is_for_one_channel() -> None:
    config = with_value("model.grey_input", "convolution")
    assert parse_experiment(config, source="weld.yaml").model.grey_input == "convolution"
    config["preprocessing"] = {"channels": 3}
    with pytest.raises(ConfigError, match=r"of one channel, and preprocessing\.channels is 3; set that to 1, or leave"):
        parse_experiment(config, source="weld.yaml")


@given(
    st.text(max_size=300),
    st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)),
)
def test_whatever_stands_in_a_config_the_error_is_one_bounded_line(key: str, value: Any) -> None:
    for dotted in ([key], ["data", key], ["training", "loss", key], ["augmentation", key]):
        data = copy.deepcopy(SMALLEST)
        at = data
        for parent in dotted[:-1]:
            at = at.setdefault(parent, {})
        at[dotted[-1]] = value
        try:
            parse_experiment(data, source="weld.yaml")
        except LoporeError as error:
            assert len(str(error).splitlines()) == 1
            assert len(str(error)) < 1500


def test_the_error_of_a_chain_step_names_no_config() -> None:
    pytest.importorskip("lopore_enhance")
    with pytest.raises(ConfigError) as caught:
        Chain.from_text("stretch(low=60,high=40)")
    assert str(caught.value) == "stretch: low 60.0 is not under high 40.0"


def test_a_config_survives_the_disk(tmp_path: Path) -> None:
    experiment = parse_experiment(
        with_value("training.loss", {"name": "focal", "class_weights": {"Pore": 2.0}}), source=""
    )
    dump_experiment(experiment, tmp_path / "weld.yaml")
    assert load_experiment(tmp_path / "weld.yaml") == experiment


def test_an_override_reaches_through_none_and_absent_parts(tmp_path: Path) -> None:
    path = tmp_path / "weld.yaml"
    path.write_text(yaml.safe_dump({**SMALLEST, "augmentation": "none"}))
    found = load_experiment(path, {"augmentation.rotate.degrees": 5, "training.optimizer.learning_rate": 0.1})
    assert found.training.optimizer.learning_rate == 0.1
    assert found.augmentation != "none"
    assert found.augmentation.rotate is not None
    assert found.augmentation.rotate.degrees == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "is not valid YAML"),
        ("- 1", "holds a list; a config is a mapping that starts with 'name:'"),
        ("", "is empty; a config is a mapping"),
        ("a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
            f"{n}: &{n} [{', '.join([f'*{p}'] * 9)}]" for p, n in zip("abcdef", "bcdefg", strict=True)
        ), "values, aliases counted in full"),
        ("x: " + "y" * (1 << 20), "a config has at most"),
        ("!!python/object/apply:os.system ['true']", "is not valid YAML"),
        ("name: 2026-13-45", "is not valid YAML: month must be in 1..12"),
        ("name: !!timestamp weld", "is not valid YAML"),
        ("name: !!bool weld", "is not valid YAML"),
        ("seed: " + "9" * 5000, "is not valid YAML"),
        ("a: &a !!pairs [x: y]\n" + "\n".join(
            f"{n}: &{n} !!pairs [{', '.join([f'x: *{p}'] * 9)}]" for p, n in zip("abcdef", "bcdefg", strict=True)
        ), "values, aliases counted in full"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_config_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "weld.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        load_experiment(path)
    assert len(str(caught.value).splitlines()) == 1


def test_merge_keys_that_double_level_by_level_are_stopped_while_they_are_read(tmp_path: Path) -> None:
    """Sixty levels would hold 2^60 values."""
    path = tmp_path / "weld.yaml"
    path.write_text("l0: &l0 {a: 1}\n" + "".join(f"l{n + 1}: &l{n + 1} {{<<: [*l{n}, *l{n}]}}\n" for n in range(60)))
    with pytest.raises(ConfigError, match="values, aliases counted in full"):
        load_experiment(path)


def test_absent_folders_and_pipes_are_no_config(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for name, said in (("no.yaml", "No such file"), (".", "is no regular file"), ("pipe.yaml", "is no regular file")):
        with pytest.raises(ConfigError, match=said):
            load_experiment(tmp_path / name)


def test_explanations_stop_after_five() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_experiment({f"wrong{number}": 1 for number in range(50)}, source="weld.yaml")
    assert str(caught.value).count(";") == 4
