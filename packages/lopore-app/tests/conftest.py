"""What stands behind the app's pages, over the small model that the root's fixture makes."""

from __future__ import annotations

import pytest

from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.session import InspectionSession


@pytest.fixture
def session(model_folder: ModelFolder) -> InspectionSession:
    return InspectionSession(Memory(), open_model(model_folder))
