"""A counterexample, told as a numbered story from the start."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spec.model.system import Kind, Move, Stage, State


@dataclass(frozen=True)
class Story:
    """The shortest way to something bad: the moves, each in words, and how it ends."""

    moves: tuple[Move, ...]
    lines: tuple[str, ...]
    end: str

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What happens, in order."""
        return tuple(move.kind for move in self.moves)

    def __str__(self) -> str:
        numbered = [f"{number:2}. {line}" for number, line in enumerate(self.lines, start=1)]
        return "\n".join([*numbered, f"=> {self.end}"])


def tell(start: State, way: Iterable[tuple[Move, State]], end: str) -> Story:
    """Tell a way, with its children numbered by birth over the whole story.

    In `end`, `{idle}` and `{queue}` stand for the children that are idle, and the connections that are queued, at last.
    """
    names: list[str] = []  # of those that are not reaped, as they stand in the state
    born = 0
    moves, lines = [], []
    before = start
    for move, state in way:
        if move.kind is Kind.SPAWN:
            born += 1
            names.append(f"child {born}")
        line = move.kind.value.format(child=names[move.child] if names else "")
        if move.kind is Kind.CONNECT:
            line += _wake_up(before, state, names)
        if move.kind is Kind.FINISH and state.children[move.child].stage is Stage.ENDED:
            line += ", and ends"
        if move.kind is Kind.REAP:
            del names[move.child]
        moves.append(move)
        lines.append(line)
        before = state
    idle = [names[place] for place, child in enumerate(before.children) if child.idle]
    queue = "1 connection" if before.queue == 1 else f"{before.queue} connections"
    return Story(tuple(moves), tuple(lines), end.format(idle=_listing(idle), queue=queue))


def _wake_up(before: State, after: State, names: Sequence[str]) -> str:
    woken = [names[place] for place, now in enumerate(after.children) if now.stage is not before.children[place].stage]
    return f", which wakes {_listing(woken)}" if woken else "; nobody is asleep, and it waits in the queue"


def _listing(names: Sequence[str]) -> str:
    earlier, last = names[:-1], names[-1:]
    return " and ".join([", ".join(earlier), *last] if earlier else last)
