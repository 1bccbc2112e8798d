"""What a person sees: at 80 columns, without colours, whatever the subject printed."""

from io import StringIO

import pytest
from rich.console import Console

from grading.ledger import Ledger
from grading.page import Page
from grading.progress import Progress
from grading.terminal import Terminal
from grading.wording import in_ranges, last_lines, plain
from selftests.findings import documented, everything_passes, found, ledger
from spec.clause import ClauseId, Level
from spec.epoll import EPOLL_1
from spec.lifecycle import LIFECYCLE_1
from spec.pool import POOL_1, POOL_2
from spec.sections import CLAUSES
from spec.verdict import Verdict

WIDTH = 80


def shown(made: Ledger, *, stopped: str = "", width: int = WIDTH, colour: bool = False) -> str:
    """Give what a terminal shows of a verdict."""
    paper = StringIO()
    terminal = Terminal(
        Console(
            file=paper,
            width=width,
            force_terminal=colour,
            color_system="standard" if colour else None,
            highlight=False,
            markup=False,
            emoji=False,
        )
    )
    terminal.verdict(made, documented(made), level=Level.MUST, seed=1, seconds=9.5, stopped=stopped)
    return paper.getvalue()


def last_line(text: str) -> str:
    return text.rstrip().splitlines()[-1]


def test_the_last_line_sums_up() -> None:
    assert last_line(shown(everything_passes())).startswith("conforms")
    assert last_line(shown(everything_passes(found(POOL_1.id, Verdict.FAIL)))).startswith("does not conform")
    assert last_line(shown(everything_passes(found(POOL_1.id, Verdict.ERROR)))).startswith("not decided")


def test_every_clause_that_was_judged_has_a_line_and_no_other() -> None:
    made = ledger(found(POOL_1.id, Verdict.PASS), selected=frozenset([POOL_1.id]))
    rows = [line for line in shown(made).splitlines() if line.strip().split(" ")[0] in CLAUSES]
    assert len(rows) == 1
    assert rows[0].split()[:3] == ["pool-1", "must", "pass"]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal_but_those_to_be_pasted(width: int) -> None:
    made = everything_passes(
        found(POOL_1.id, Verdict.FAIL, seen="a " * 200),
        found(POOL_2.id, Verdict.INCONCLUSIVE, seen="b " * 100),
        found(EPOLL_1.id, Verdict.ERROR, seen="c " * 100),
    )
    lines = shown(made, width=width).splitlines()
    wide = [line for line in lines if len(line) > width and not line.startswith(("  again", "does not conform"))]
    assert wide == []
    assert any(line.startswith("  again ") and line.endswith("--clause pool-1") for line in lines)


def test_nothing_of_the_subjects_commands_the_terminal() -> None:
    nasty = "\x1b[2J\x1b]0;title\x07[bold red]not markup[/] :smile: \x9b1m\r\u202e"
    text = shown(everything_passes(found(POOL_1.id, Verdict.FAIL, seen=nasty)))
    assert "[bold red]not markup[/] :smile:" in text
    assert not any(sign in text for sign in "\x1b\x07\x9b\r\u202e")


def test_the_subjects_last_words_are_quoted_cut_to_size() -> None:
    made = everything_passes()
    failing = found(POOL_1.id, Verdict.FAIL)
    made.findings = [each for each in made.findings if each.clause != POOL_1.id]
    output = "\n".join(f"line {number} {'x' * 500}" for number in range(100))
    made.add(type(failing)(**{**failing.__dict__, "output": output}))
    text = shown(made)
    assert "line 99 xxx" in text
    assert "line 50 " not in text
    assert max(len(line) for line in text.splitlines() if "xxx" in line) <= WIDTH


def test_one_root_cause_is_told_once_and_what_it_blocks_in_a_few_lines() -> None:
    blocked = [
        type(found(clause, Verdict.BLOCKED))(
            clause=clause, test="test", verdict=Verdict.BLOCKED, blocked_by=LIFECYCLE_1.id, seen="it ended"
        )
        for clause in CLAUSES
        if clause != LIFECYCLE_1.id
    ]
    text = shown(ledger(found(LIFECYCLE_1.id, Verdict.FAIL, seen="it ended"), *blocked))
    assert text.count("it ended") == 1
    assert text.count("blocked by lifecycle-1") == 1


def test_errors_are_told_as_ours() -> None:
    made = everything_passes()
    made.suite_errors.append("Traceback …\nOSError: no more processes")
    text = shown(made)
    assert "not your server" in text
    assert "OSError: no more processes" in text


def test_a_check_that_was_stopped_says_so() -> None:
    text = shown(ledger(found(POOL_1.id, Verdict.PASS)), stopped="interrupted")
    assert "\ninterrupted" in text
    assert "not run" in text


def test_colours_are_only_for_terminals_that_have_them() -> None:
    assert "\x1b[" in shown(everything_passes(), colour=True)
    assert "\x1b[" not in shown(everything_passes())


def test_a_reader_who_is_gone_stops_nothing() -> None:
    class Gone(StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    made = everything_passes(found(POOL_1.id, Verdict.FAIL))
    terminal = Terminal(Page(file=Gone(), width=WIDTH))
    terminal.begin("a", version="1", seed=1)
    terminal.verdict(made, documented(made), level=Level.MUST, seed=1, seconds=1.0, stopped="")


def test_progress_is_rare_where_there_is_no_terminal() -> None:
    paper = StringIO()
    progress = Progress(Console(file=paper, width=WIDTH))
    progress.start(of=35)
    for done in range(35):
        progress.judging(["pool-1"], done=done)
    progress.end()
    assert paper.getvalue() == ""


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (["pool-1"], "pool-1"),
        (["pool-1", "pool-2"], "pool-1 and 2"),
        (["pool-1", "pool-2", "pool-3"], "pool-1 to 3"),
        (["pool-1", "pool-3"], "pool-1, pool-3"),
        (["accept-7", "epoll-1"], "accept-7, epoll-1"),
        ([], ""),
    ],
)
def test_clauses_in_a_row_are_named_as_a_range(ids: list[str], words: str) -> None:
    assert in_ranges(map(ClauseId, ids)) == words


def test_text_is_made_plain() -> None:
    assert plain("a\tb\x00c\nd") == "a bc\nd"
    assert last_lines("one\n\n  \ntwo\nthree \n", 2) == ["two", "three"]
