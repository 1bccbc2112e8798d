"""The scenes, in the order in which they begin, and which of them a test belongs to, by its id."""

import re

# In the order in which they begin: the quick ones that find root causes, then the longest first, so that none is left
# for the end, when only one worker has something to do.
SCENES = (
    "shared",
    "tide",
    "counted-first",
    "counted-drawn",
    "plans",
    "turnover-first",
    "turnover-drawn",
    "single",
    "orders",
    "printed-first",
    "printed-drawn",
    "full-speed",
    "frozen",
    "all-at-once-first",
    "all-at-once-drawn",
    "races",
    "long-life",
    "together",
    "mumbled",
    "newborns",
    "lost-races",
)
# Then the faults, each test a scene of its own, but for some: those first that find root causes, where a check is cut
# short.
FAULTS = ("signals", "stalls", "limits", "channel_faults", "syscalls", "wire", "woken", "floods", "soak")
# Limits are played side by side. What makes segments for the wire takes 45 MiB, and nearly a second to import.
ON_ONE_WORKER = ("limits", "wire")
_FAULTS = re.compile(rf"/test_({'|'.join(FAULTS)})\.py::")
# The scene stands in the brackets of a test's id; a test without one is a scene of its own.
_SCENE = re.compile(rf"\[(?:.*-)?({'|'.join(SCENES)})(?:-.*)?\]$")


def scene_of(test: str) -> str:
    """Give the scene of a test, by its id."""
    found = _SCENE.search(test)
    if found:
        return found[1]
    fault = _FAULTS.search(test)
    return fault[1] if fault and fault[1] in ON_ONE_WORKER else test


def place_of(test: str) -> int:
    """Give the place of a test's scene in their order; those without one come last."""
    scene = scene_of(test)
    if scene in SCENES:
        return SCENES.index(scene)
    fault = _FAULTS.search(test)
    return len(SCENES) + (FAULTS.index(fault[1]) if fault else 0)
