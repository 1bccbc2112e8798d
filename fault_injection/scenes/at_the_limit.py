"""What max_children makes of children that were killed, and of forks that were refused: filled up, it shows."""

from conformance.launches import Launches
from conformance.seats import settle_down, usable_channels, wait
from drivers import child_seat
from fault_injection.scenes.looks import Look, look_at_the_limit, look_at_waiting
from fault_injection.scenes.ordeal import Ordeal, ordeal
from fault_injection.scenes.wording import named
from fault_injection.signals import killed
from spec import recovery
from spec.channel import Channel
from spec.event import Pid
from spec.pool import judge_limit
from spec.protocol import K
from spec.verdict import Blocked, Inconclusive, NotApplicable, Violation
from subject.stopping import stopped

# Small, as a classical server needs a round for each child that it sheds; and clients beyond it.
LIMIT, BEYOND = 6, 1


def channels_if_any(told: Ordeal) -> dict[Pid, Channel]:
    """Find the channels, where there are any that can be used."""
    try:
        return usable_channels(told.stage)
    except (Blocked, Inconclusive):
        return {}


def fill_up(told: Ordeal, launches: Launches, look: Look) -> None:
    """Hold more clients than there may be children, and let go of all.

    Fewer children than there may be fail the ordeal's clause; whether there were more is left for the look.
    """
    stage, limit = told.stage, told.stage.parameters.max_children
    if limit is not None:
        stage.hold_connections(limit + BEYOND - len(stage.held))
        told.comes_back(when="as more clients came than there may be children, ")
        # The pool is full as soon as all are busy; what the parent makes of the last C comes after that.
        settle_down(stage)
        look_at_the_limit(told, launches, look)
    stage.let_go(list(stage.held.values()))
    told.comes_back()


def killed_at_the_limit(launches: Launches) -> str:
    """Neither one that was told to end nor one that was idle has a place among the children once it is killed."""
    with ordeal(launches, recovery.RECOVERY_1, max_children=LIMIT) as told:
        stage = told.stage
        if stage.parameters.max_children is None:
            raise NotApplicable("the command has no {max_children}")
        victims = told_to_end(told)
        if victims:
            told.comes_back()
        for _ in range(stage.parameters.min_spare):  # one after another: several deaths at once are recovery-3's
            others = told.idle[:1]
            with killed(others):
                told.happens(f"idle {named(others)} got SIGKILL", ended=len(others))
                told.comes_back()
        look_at_waiting(told, launches, Look.KILLED_WAITING)
        fill_up(told, launches, Look.KILLED_FULL)
        return f"{told}: {told.ended} idle children were killed, {victims} of them told to end"


def told_to_end(told: Ordeal) -> int:
    """Kill children that were told K, and could not read it as they were stopped; tells how many there were."""
    stage = told.stage
    clients = told.hold(stage.parameters.max_spare - stage.parameters.min_spare + 1)
    settle_down(stage)
    channels, idle = channels_if_any(told), told.idle

    def deaf() -> list[Pid]:
        return [pid for pid in idle if pid in channels and K in (child_seat.unread_orders(channels[pid]) or b"")]

    with stopped(idle):
        # As many are idle again as are too many. Some parents choose among these: then nobody is deaf.
        stage.let_go(clients)
        wait(stage, lambda: bool(deaf()) or len(told.idle) <= stage.parameters.max_spare, within=stage.pace.step)
        victims = deaf()[:1]
        if victims:
            with killed(victims):
                told.happens(f"{named(victims)} got SIGKILL, told K but stopped", ended=len(victims))
    return len(victims)


def told_together_at_the_limit(launches: Launches) -> list[Violation]:
    """Bring the pool close to its limit, and let the parent hear of more clients at once than there is room for.

    Gives how the limit was broken, if it was; whatever else goes wrong is for others to tell.
    """
    with ordeal(launches, recovery.RECOVERY_11, max_children=LIMIT) as told:
        stage, spare = told.stage, told.stage.parameters.min_spare
        if stage.parameters.max_children is None:
            raise NotApplicable("the command has no {max_children}")
        # Two more children may be. All that are idle are taken, and so is who comes: of steps of one, two and four the
        # second goes too far, and of one step by all that are missing the first.
        told.hold(LIMIT - 2 - spare)
        told.comes_back()
        with stopped([told.parent]):
            stage.hold_connections(LIMIT)
            wait(
                stage,
                lambda: len(stage.busy()) == len(told.live) or bool(stage.broken_holds),
                within=stage.pace.reaction,
            )
        told.happens("the parent was stopped while clients came, and continued")
        told.comes_back()
        return list(judge_limit(stage.watch.timeline(), stage.parameters))
