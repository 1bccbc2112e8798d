"""The scene in which a server prints: clients come one by one, the pool grows and sheds, and Ctrl-C is pressed.

What was printed is drained by the warden (a terminal that nobody reads would block the server); here it is read from
where it was at a mark. Each wait is for the line that is asked for, so who prints a moment later is heard.
"""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from conformance.pace import Patience
from conformance.regulation import Stopped, rest, settle, settle_start, want
from conformance.seats import Heard, scene
from conformance.stage import Stage
from observers import procfs
from spec import console, pool
from spec.accept import ACCEPT_1, ACCEPT_4
from spec.console import CONSOLE_1, CONSOLE_2, CONSOLE_3, Changed, Reported, Told
from spec.event import Phase, Pid
from spec.recycle import served_by_child
from spec.verdict import Blocked, Inconclusive, Violation

# Clients come from addresses that nobody can know beforehand: all of 127.0.0.0/8 is this machine.
SOURCES = ("127.0.0.1", "127.3.141.59", "127.200.1.26")
# Connections at once, wave by wave: who is woken first has served most in the end, and hardly two have served as many.
WAVES = (1, 1, 2, 1, 3, 1, 1, 2, 1, 1)
FEW_WAVES = (1, 2, 1, 1)  # of a server that takes its time


@dataclass
class Printed:
    """What a subject prints, from a mark on, and the names by which it knows its processes."""

    stage: Stage
    mark: int = 0
    _inside: dict[Pid, Pid] = field(default_factory=dict)

    def begin(self) -> None:
        """Leave what was printed so far behind."""
        self.mark = self.stage.launch.report(output=False).written

    def lines(self) -> list[str]:
        """Give what was printed since, line by line."""
        return console.lines_of(self.stage.launch.report().output_after(self.mark))

    def inside(self, pid: Pid) -> Pid:
        """Give the pid by which the subject knows one of its own, also when it has ended since it was asked first."""
        if pid not in self._inside:
            self._inside[pid] = procfs.pid_inside(pid)
        return self._inside[pid]

    def live(self) -> frozenset[Pid]:
        """Give the live children, by the pids that they have inside."""
        return frozenset(self.inside(pid) for pid in self.stage.watch.live)

    def everyone(self) -> frozenset[Pid]:
        """Give all children that were ever asked for."""
        return frozenset(self._inside.values()) - {Pid(0)}

    def await_lines(self, judge: Callable[[list[str]], Iterator[Violation]]) -> list[Violation]:
        """Wait for what a judge asks for; gives what it still finds wrong when time is up.

        The parent may have ended: what it printed last is still to come.
        """
        patience, seen = Patience(self.stage.pace.reaction), -1
        while not patience.over():
            written = self.stage.launch.report(output=False).written
            if written != seen:
                seen = written
                if not list(judge(self.lines())):
                    return []
            self.stage.step()
        return list(judge(self.lines()))


@scene
def play(stage: Stage, left: Heard) -> None:
    """Play it all on a subject that was just started."""
    printed = Printed(stage)
    try:
        settle_start(stage)
        rest(stage, Phase.START)
        _accepts(stage, printed, left)
        _changes(stage, printed, left)
        _report(stage, printed, left)
    except Stopped:
        violations = [*pool.judge(stage.watch.timeline(), stage.parameters)]
        if not violations:
            raise Inconclusive("load could not go up and down") from None
        raise Blocked(violations[0].clause.id, seen=violations[0].seen) from None


def _accepts(stage: Stage, printed: Printed, left: Heard) -> None:
    printed.live()
    for address in SOURCES:
        printed.begin()
        client = stage.connect_silently(source=address)
        if not stage.await_holder(client):
            raise Blocked(ACCEPT_4.id, seen=f"a client from {address} was not accepted: {client.why_lost()}")
        child = stage.holders[client.number]
        if child not in stage.watch.live:
            raise Blocked(ACCEPT_1.id, seen=f"process {child}, which is no child of the pool, holds a connection")
        who = printed.inside(child)

        def judge(
            lines: list[str], pid: Pid = who, at: str = address, port: int = client.local_port
        ) -> Iterator[Violation]:
            return console.judge_accept(Told(pid=pid, address=at, port=port, lines=lines))

        # It may print once it knows what is asked for, too.
        stage.ask([client])
        stage.await_end([client])
        if left.found(*printed.await_lines(judge)):
            break
    left.judged.add(CONSOLE_3.id)
    rest(stage, Phase.START)


def _changes(stage: Stage, printed: Printed, left: Heard) -> None:
    """Have it grow, by as many clients as may be idle at most; then let all of them be served."""
    before = printed.live()
    printed.begin()
    want(stage, Phase.FLOOD_TIDE, stage.parameters.max_spare)
    ports = {client.local_port for client in stage.held.values()}
    rest(stage, Phase.FLOOD_TIDE)
    _told_of_change(stage, printed, left, before=before, ports=ports)
    before = printed.live()
    printed.begin()
    _serve_the_held(stage)
    rest(stage, Phase.END)
    _told_of_change(stage, printed, left, before=before, ports=ports)
    left.judged.add(CONSOLE_2.id)


def _told_of_change(stage: Stage, printed: Printed, left: Heard, *, before: frozenset[Pid], ports: set[int]) -> None:
    after, idle = printed.live(), len(stage.watch.live) - len(stage.busy())
    if after != before:
        left.found(
            *printed.await_lines(
                lambda lines: console.judge_change(
                    Changed(before=before, after=after, idle=idle, lines=lines, ports=ports)
                )
            )
        )


def _serve_the_held(stage: Stage) -> None:
    held = list(stage.held.values())
    stage.ask(held)
    stage.await_end(held)
    if lost := [client for client in held if not client.served]:
        raise Blocked(ACCEPT_4.id, seen=f"a client was not served: {lost[0].why_lost()}")


def _report(stage: Stage, printed: Printed, left: Heard) -> None:
    for at_once in FEW_WAVES if stage.pace.unhurried else WAVES:
        want(stage, Phase.END, at_once)
        settle(stage, Phase.END)
        printed.live()
        _serve_the_held(stage)
        settle(stage, Phase.END)
    rest(stage, Phase.END)
    live, counts = stage.watch.live, served_by_child(stage.watch.timeline())
    served = {printed.inside(pid): counts[pid] for pid in live}
    ended = printed.everyone() - set(served)
    printed.begin()
    press_ctrl_c(stage)
    began = stage.clock()

    def judge(lines: list[str]) -> Iterator[Violation]:
        return console.judge_report(Reported(lines=lines, waited=stage.clock() - began, served=served, ended=ended))

    left.found(*printed.await_lines(judge))
    left.judged.add(CONSOLE_1.id)


def press_ctrl_c(stage: Stage) -> None:
    """Send SIGINT to all of the subject that are of the group of the pool's parent, as its terminal would."""
    group = os.getpgid(stage.watch.parent)
    if group != os.getpgrp():
        os.killpg(group, signal.SIGINT)
