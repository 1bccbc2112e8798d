"""The page of one verdict: all that a person needs, from one file; and nothing of a server is ever markup."""

import re
from html.parser import HTMLParser

from grading import evidence
from grading.reports import page, pool_lanes, pool_plot
from grading.terminal import IN_WORDS
from selftests.findings import documented, everything_passes, found, ledger
from selftests.test_reports import NASTY, every_verdict
from spec.clause import Clause
from spec.event import (
    Accepted,
    Collapsed,
    ConnectionId,
    Dropped,
    Ended,
    Event,
    Faulted,
    Ordered,
    Phase,
    Pid,
    Said,
    Served,
    Spawned,
    Stalled,
    Timeline,
    Wanted,
)
from spec.parameters import Parameters
from spec.pool import POOL_2, POOL_9
from spec.sections import CLAUSES, SECTIONS
from spec.verdict import Verdict

VOID = {"meta", "link", "br", "path", "use", "image", "rect"}
PARAMETERS = Parameters(min_spare=1, max_spare=2, max_connections=3, max_children=4)
ONE, TWO, FIRST, SECOND = Pid(11), Pid(12), ConnectionId(1), ConnectionId(2)
TIMELINE = Timeline(
    (
        Spawned(0.01, ONE),
        Spawned(0.02, TWO),
        Wanted(0.1, Phase.SHORTAGE, 2),
        Accepted(0.11, FIRST, ONE),
        Said(0.12, ONE, "C"),
        Accepted(0.13, SECOND, TWO),
        Faulted(0.2, "child 12 got SIGKILL <b>"),
        Ended(0.21, TWO),
        Dropped(0.3, FIRST),
        Ordered(0.31, ONE, "K"),
        Ended(0.32, ONE),
        Stalled(1.5, Phase.SHORTAGE, 1.2),
    )
)


class Page(HTMLParser):
    """Reads a page: its elements with their attributes, its text, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def ids(self) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get("id"))]


def shown(*clauses: Clause) -> str:
    """Give the page of a server that fails these clauses, with a timeline for each."""
    made = everything_passes(*(found(clause.id, Verdict.FAIL, seen="so many") for clause in clauses))
    document = documented(made)
    timeline = evidence.plain(PARAMETERS, TIMELINE)
    document["evidence"] = [{"clause": clause.id, "output": "a line", "timeline": timeline} for clause in clauses]
    return page.render(document)


def test_each_clause_is_in_the_summary_with_its_verdict_in_words() -> None:
    text = " ".join(Page(page.render(every_verdict())).text.split())
    for clause in CLAUSES.values():
        assert re.search(rf"{clause.id}, {clause.level.value}: ({'|'.join(IN_WORDS.values())})", text)
    for section in SECTIONS:
        assert section.title in text


def test_a_failure_has_the_clause_in_full_what_was_seen_the_output_and_the_command() -> None:
    text = " ".join(Page(shown(POOL_9)).text.split())
    for part in (POOL_9.text, "so many", POOL_9.observed, "a line", "preforkspec check --seed 1 --clause pool-9"):
        assert part in text


def test_the_page_is_closed_well_and_asks_nobody_for_anything() -> None:
    text = shown(POOL_2, POOL_9)
    read = Page(text)
    assert read.open == []
    assert len(read.ids()) == len(set(read.ids()))
    policy = next(at["content"] for tag, at in read.elements if tag == "meta" and "http-equiv" in at)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    for tag, attributes in read.elements:
        assert tag not in ("script", "iframe", "object", "embed", "form")
        for name in ("src", "href", "xlink:href", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:,"))
    assert "url(http" not in text
    assert "@import" not in text


def test_every_link_leads_somewhere_on_the_page() -> None:
    for text in (shown(POOL_2, POOL_9), page.render(every_verdict())):
        read = Page(text)
        leads = [at["href"] for tag, at in read.elements if tag == "a" and at.get("href")]
        assert leads
        assert {each.removeprefix("#") for each in leads if each} <= set(read.ids())


def test_what_a_server_says_is_no_markup_and_commands_nothing() -> None:
    text = page.render(every_verdict(NASTY, name=NASTY))
    assert "<script" not in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", text)
    assert "alert(1)" in Page(text).text


def test_what_is_long_is_cut() -> None:
    short, long = (len(page.render(every_verdict("x" * length))) for length in (10_000, 1_000_000))
    assert long - short < 1_000


def test_a_subject_of_which_nothing_fails_is_told_so() -> None:
    read = Page(page.render(documented(everything_passes())))
    assert "No clause fails" in read.text
    assert "Conforms" in read.text
    assert "Not decided" in Page(page.render(documented(ledger()))).text


def test_a_lane_is_a_childs_life() -> None:
    first, second = pool_lanes.lanes(TIMELINE)
    assert (first.pid, first.born, first.ended) == (ONE, 0.01, 0.32)
    assert first.busy == [(0.11, 0.3)]
    assert first.words == [(0.12, "C", True), (0.31, "K", False)]
    assert (second.pid, second.ended, second.busy) == (TWO, 0.21, [(0.13, 0.21)])


def test_a_pid_that_comes_again_is_another_child() -> None:
    again = (Spawned(0.1, ONE), Ended(0.2, ONE), Spawned(0.3, ONE), Accepted(0.4, FIRST, ONE), Served(0.5, FIRST))
    before, after = pool_lanes.lanes(Timeline(again))
    assert (before.born, before.ended, before.busy) == (0.1, 0.2, [])
    assert (after.born, after.ended, after.busy) == (0.3, None, [(0.4, 0.5)])


def test_the_drawing_has_the_bounds_the_children_and_the_faults_as_text() -> None:
    text = Page(pool_plot.draw(TIMELINE, evidence.plain(PARAMETERS, TIMELINE)["parameters"])).text  # type: ignore[index]
    for part in ("min_spare 1", "max_spare 2", "max_children 4", "live", "idle", "busy", str(ONE), "2 held", "C", "K"):
        assert part in text
    assert [what for _, what in pool_lanes.marks(TIMELINE)] == [
        "child 12 got SIGKILL <b>",
        "waited in vain: one idle child too few",
    ]


def test_a_drawing_has_no_colour_of_its_own() -> None:
    svg = pool_plot.draw(TIMELINE, None)
    assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) == set()
    assert set(re.findall(r"var\((--[a-z]+)\)", svg)) <= set(pool_plot.VARIABLES.values())


def test_the_same_document_makes_the_same_page() -> None:
    assert shown(POOL_2, POOL_9) == shown(POOL_2, POOL_9)


def test_a_timeline_is_the_same_after_it_was_written_down() -> None:
    assert evidence.read(evidence.plain(None, TIMELINE) or {}) == TIMELINE


def test_of_a_long_timeline_the_short_connections_are_left_out_first() -> None:
    many: list[Event] = [Served(float(number), ConnectionId(number)) for number in range(evidence.MOST_EVENTS)]
    told = evidence.plain(None, Timeline((Spawned(0.0, ONE), *many, Collapsed(9e9, Phase.END, "x" * 1000))))
    assert told is not None
    assert told["left_out"] == 2
    assert [told["events"][place]["event"] for place in (0, 1, -1)] == ["spawned", "served", "collapsed"]
    assert told["events"][1]["connection"] == 2
    assert len(told["events"][-1]["how"]) == evidence.MOST_OF_A_TEXT
    assert evidence.plain(None, Timeline(())) is None
