"""What stands behind the app's pages, over the small model that the root's fixture makes."""

from __future__ import annotations

import pytest

from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder
from lopore_app.memory import Memory
from lopore_app.session import Desk


@pytest.fixture
def desk(model_folder: ModelFolder) -> Desk:
    return Desk(Memory(), open_model(model_folder))
