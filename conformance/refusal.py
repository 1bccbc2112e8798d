"""Launches that a sound server refuses: what came of each."""

from dataclasses import replace

from conformance.launches import Launches
from conformance.pace import Patience
from conformance.stage import Stage
from spec.event import Pid
from spec.lifecycle import Refusal
from spec.parameters import Parameters


def refused(
    launches: Launches, parameters: Parameters, *, given: str, port: int | None = None, occupied: bool = False
) -> Refusal:
    """Launch with these parameters, and wait until the subject ends, or serves, or has had its time."""
    port = port if port is not None else launches.port()
    with launches.unstarted(parameters, port, occupied_port=port if occupied else None) as stage:
        listening: list[int] = []
        patience, settled = Patience(stage.pace.start / 2), Patience(stage.pace.round * stage.pace.patience)
        while not patience.over():
            stage.hold(0.005)
            report = stage.report()
            if report.status is not None or report.ended_for:
                break
            listening = _ports(stage, but=port if occupied else None)
            if not listening:
                settled.renew()
            elif settled.over():
                break  # it has listened for a round: it does not mean to refuse
        left = _left(stage)
        report = stage.report()
        return Refusal(
            given=given,
            status=report.status,
            output=report.output,
            left=left,
            listening=listening,
            waited=stage.clock(),
        )


def _ports(stage: Stage, *, but: int | None) -> list[int]:
    own = stage.own_listeners()
    return sorted({each.port for each in own if each.port != but})


def _left(stage: Stage) -> list[Pid]:
    """Give the processes that stay after the launched one has ended."""
    stage.until(lambda: not stage.processes(), within=stage.pace.reaction)
    return list(stage.processes())


def out_of_range(launches: Launches) -> list[tuple[str, Parameters, int | None]]:
    """List what a server can be given that no server should take, as far as its command line has a place for it."""
    sound = launches.pool_set("first")
    has = launches.profile.placeholders
    cases: list[tuple[str, Parameters, int | None]] = []
    if {"min_spare", "max_spare"} <= has:
        cases.append(("min_spare 6, max_spare 2", replace(sound, min_spare=6, max_spare=2), None))
    if "max_connections" in has:
        cases.append(("max_connections 0", replace(sound, max_connections=0), None))
        cases.append(("max_connections -1", replace(sound, max_connections=-1), None))
    if launches.profile.can_be_told_the_port:
        cases.append(("port 70000", sound, 70_000))
    return cases
