"""How many plan steps a second the suite performs on a parent: `benchmarks/plans.py [--rounds N]`.

Interleaved rounds of the reference server and the example in C (built before), each 30 plans of 20 steps on a launch.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from conformance import pace, plans  # noqa: E402 - the path comes first
from conformance.drawing import draw  # noqa: E402
from conformance.parameter_sets import PLAN_A  # noqa: E402
from conformance.stage import Stage  # noqa: E402
from spec.parameters import Parameters  # noqa: E402
from subject import profile as profiles  # noqa: E402
from subject.build import build  # noqa: E402
from subject.profile import Profile  # noqa: E402

PORTS = itertools.count(23_000)


def performed(profile: Profile, *, seed: int, home: Path) -> tuple[float, float]:
    """Perform plans; gives the steps a second, and the seconds for all of it with the launch."""

    @contextmanager
    def launched(parameters: Parameters) -> Iterator[Stage]:
        with Stage(profile, parameters, next(PORTS), pace=pace.of(profile, patience=1.0)) as stage:
            yield stage.start()

    effort = plans.Effort()
    parameters = PLAN_A if "max_children" in profile.placeholders else PLAN_A.unlimited()
    drawn = draw(parameters, seed=seed, plans=effort.plans, steps=effort.steps, home=home)
    began = time.perf_counter()
    done = plans.perform(launched, drawn, effort=effort, seconds=effort.seconds)
    if done.violation or done.why_not or done.plans < effort.plans:
        raise SystemExit(f"{profile.title}: {done}: {done.violation or done.why_not}")
    return done.steps / done.seconds, time.perf_counter() - began


def main() -> None:
    """Print a row for each subject."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    subjects = [profiles.reference_server(ROOT), profiles.from_file(ROOT / "subjects" / "example_c" / "profile.toml")]
    found: dict[str, list[tuple[float, float]]] = {profile.title: [] for profile in subjects}
    with tempfile.TemporaryDirectory() as home:
        for profile in subjects:
            build(profile)
        for number, profile in itertools.product(range(rounds), subjects):
            found[profile.title].append(performed(profile, seed=number, home=Path(home)))
    print("| subject | steps a second, median | slowest round | seconds for 600 steps, with the launch |")
    print("|---|---|---|---|")
    for title, rows in found.items():
        paces, seconds = zip(*rows, strict=True)
        print(f"| {title} | {statistics.median(paces):.0f} | {min(paces):.0f} | {statistics.median(seconds):.1f} |")


if __name__ == "__main__":
    main()
