"""Which worker runs which test: those of one scene together, the longest scenes first."""

import re
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# The scene stands in the brackets of a test's id; a test without one is a scene of its own.
_SCENES = (
    "tide-first|tide-drawn|turnover-first|turnover-drawn|single|all-at-once-first|all-at-once-drawn|frozen|shared|"
    "counted-first|counted-drawn|full-speed|races|orders|together|mumbled|plans"
)
_SCENE = re.compile(rf"\[(?:.*-)?({_SCENES})(?:-.*)?\]$")


def scene_of(test: str) -> str:
    """Give the scene of a test, by its id."""
    found = _SCENE.search(test)
    return found[1] if found else test


def by_scene(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Give the scheduler for a check."""

    class ByScene(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scene_of(nodeid)

    return ByScene(config, log)
