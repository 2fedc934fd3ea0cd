"""What a run says of the features of its network, where they cannot be compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from made.runs import config, edit_manifest, run, write_welds

from lopore.record.folder import ModelFolder


def held_out(rows: list[dict[str, str]]) -> None:
    """Twenty welds held out, four to test, the others to learn from."""
    for row in rows:
        weld = int(row["group"].removeprefix("weld "))
        row["split"] = "val" if weld < 20 else "test" if weld < 24 else "train"


@pytest.mark.usefixtures("softmax")
@pytest.mark.parametrize(
    ("enough", "missing"),
    [
        (False, "4 films were held out for validation, 19 are needed"),
        (True, "the network does not give them"),
    ],
)
def test_the_record_says_what_is_missing_for_a_comparison_of_features(
    enough: bool, missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_welds(tmp_path, welds=30 if enough else 24)
    if enough:
        edit_manifest(tmp_path, held_out)
    found = run(config(tmp_path)).model_folder
    assert found is not None
    record = ModelFolder.read(found).record
    assert record.feature_likeness is not None
    assert record.feature_likeness.missing == missing
    assert not [file for file in record.files if file.path.endswith("training_features.npy")]
