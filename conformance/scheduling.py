"""Which worker runs which test: those of one scene together, in the order of the scenes."""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from conformance.scenes import scene_of


def by_scene(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Give the scheduler for a check."""

    class ByScene(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scene_of(nodeid)

    return ByScene(config, log)
