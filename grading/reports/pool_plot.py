"""A pool's timeline, drawn: how many children live, are idle and are busy, against the bounds; and a lane for each.

An SVG without colours of its own: each is a variable of the page's style sheet, so that light, dark and print differ in
nothing but that. Text stays text.
"""

import io
import os
import tempfile
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from grading.reports.pool_lanes import Lane, end_of, lanes, marks
from spec.event import Timeline, Wanted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What matplotlib is told, and what the page's style sheet calls it.
INK, FAINT, LIVE, IDLE, BUSY, BOUND, FAULT, WORD = (f"#0{digit}0{digit}0{digit}" for digit in "12345678")
VARIABLES = {
    INK: "--ink",
    FAINT: "--faint",
    LIVE: "--live",
    IDLE: "--idle",
    BUSY: "--busy",
    BOUND: "--bound",
    FAULT: "--fault",
    WORD: "--word",
}
WIDTH = 9.6  # inches, at 72 points each
COUNTS_HEIGHT, LANE_HEIGHT, MARGIN = 2.3, 0.17, 0.75
MOST_LANES = 48
MOST_WORDS = 240  # messages drawn; more would be a grey band
ROOM = 70  # for so many of them side by side
RC: "dict[Any, Any]" = {
    "svg.fonttype": "none",
    "svg.hashsalt": "preforkspec",
    "font.family": ["sans-serif"],
    "font.size": 9,
    "text.parse_math": False,  # a subject may say "$"
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@cache
def _matplotlib() -> tuple[Any, Any]:
    """Import it: half a second, that only who wants a drawing need wait for. It leaves nothing in the home folder."""
    with tempfile.TemporaryDirectory(prefix="preforkspec-") as folder:
        before = os.environ.get("MPLCONFIGDIR")
        os.environ["MPLCONFIGDIR"] = folder
        try:
            import_module("matplotlib.font_manager")
            return import_module("matplotlib"), import_module("matplotlib.figure")
        finally:
            os.environ.pop("MPLCONFIGDIR")
            if before is not None:
                os.environ["MPLCONFIGDIR"] = before


def draw(timeline: Timeline, parameters: dict[str, Any] | None) -> str:
    """Give the drawing as SVG, to be put into a page."""
    mpl, figures = _matplotlib()
    until = end_of(timeline)
    every = lanes(timeline)
    shown = every[:MOST_LANES]
    height = COUNTS_HEIGHT + MARGIN + LANE_HEIGHT * max(3, len(shown))
    with mpl.rc_context(RC):
        figure = figures.Figure(figsize=(WIDTH, height), layout="constrained", facecolor="none")
        counts, children = figure.subplots(
            2, 1, sharex=True, height_ratios=[COUNTS_HEIGHT, LANE_HEIGHT * max(3, len(shown))]
        )
        for axes in (counts, children):
            axes.set_facecolor("none")
        _draw_counts(counts, timeline, parameters or {})
        _draw_lanes(children, shown, until)
        for at, _ in marks(timeline):
            for axes in (counts, children):
                axes.axvline(at, color=FAULT, linewidth=1, linestyle=(0, (2, 2)))
        children.set_xlabel("seconds since the launch")
        children.set_xlim(0, until * 1.01 or 1)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return _styled(drawn.getvalue())


def _draw_counts(axes: "Axes", timeline: Timeline, parameters: dict[str, Any]) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - as in `draw`

    at, live, busy, idle = [0.0], [0], [0], [0]
    for event, _, state in timeline.states():
        at.append(event.at)
        live.append(len(state.live))
        busy.append(len(state.busy))
        idle.append(state.idle)
    at.append(end_of(timeline))
    for each in (live, busy, idle):
        each.append(each[-1])
    axes.step(at, live, where="post", color=LIVE, linewidth=1.4, label="live")
    axes.step(at, busy, where="post", color=BUSY, linewidth=1.4, label="busy")
    axes.step(at, idle, where="post", color=IDLE, linewidth=2.0, label="idle")
    for name in ("min_spare", "max_spare", "max_children"):
        bound = parameters.get(name)
        if bound is not None:
            axes.axhline(bound, color=BOUND, linewidth=0.8, linestyle=(0, (4, 3)))
            axes.annotate(
                f"{name} {bound}",
                (1.0, bound),
                xycoords=("axes fraction", "data"),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    for event in _changes(timeline):
        axes.axvline(event.at, color=FAINT, linewidth=0.6, linestyle=(0, (1, 2)))
        axes.annotate(
            f"{event.held} held",
            (event.at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(2, -2),
            textcoords="offset points",
            va="top",
            fontsize=7,
            color=INK,
        )
    axes.set_ylim(0, max([*live, parameters.get("max_children") or 0, parameters.get("max_spare") or 0]) * 1.15 + 1)
    axes.set_ylabel("children")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.22), ncols=3, frameon=False, borderpad=0)


def _changes(timeline: Timeline) -> list[Wanted]:
    """Give the changes of the load, but for those that come too soon after another to have a name of their own."""
    kept: list[Wanted] = []
    apart = end_of(timeline) / 14
    for event in timeline:
        if isinstance(event, Wanted) and (not kept or event.at - kept[-1].at > apart):
            kept.append(event)
    return kept


def _draw_lanes(axes: "Axes", shown: list[Lane], until: float) -> None:
    for place, lane in enumerate(shown):
        end = until if lane.ended is None else lane.ended
        axes.barh(place, end - lane.born, left=lane.born, height=0.34, color=IDLE, linewidth=0)
        for since, at in lane.busy:
            axes.barh(place, max(at - since, until / 800), left=since, height=0.72, color=BUSY, linewidth=0)
        if lane.ended is not None:
            axes.plot([lane.ended], [place], marker="|", markersize=7, markeredgewidth=1.6, color=INK)
    for at, place, word, by_child in _words(shown, until):
        axes.annotate(
            word,
            (at, place),
            xytext=(0, -2.5 if by_child else 2.0),
            textcoords="offset points",
            va="top" if by_child else "bottom",
            ha="center",
            fontsize=6.5,
            color=WORD,
            fontweight="normal" if by_child else "bold",
        )
    axes.set_yticks(range(len(shown)), [str(lane.pid) for lane in shown], fontsize=7)
    axes.set_ylim(max(len(shown), 3) - 0.4, -0.8)
    axes.set_ylabel("child")


def _words(shown: Iterable[Lane], until: float) -> list[tuple[float, int, str, bool]]:
    """Give the messages to write, those of one side that come close together as one: when, in which lane, what."""
    words: list[tuple[float, int, str, bool]] = []
    for place, lane in enumerate(shown):
        last = {False: -1, True: -1}  # where the last of each side stands in `words`
        for at, said, by in lane.words:
            before = words[last[by]] if last[by] >= 0 else None
            if before is not None and at - before[0] < until / ROOM:
                words[last[by]] = (before[0], place, before[2] + said, by)
            else:
                last[by] = len(words)
                words.append((at, place, said, by))
    return [(at, place, _shown(said), by) for at, place, said, by in words[:MOST_WORDS]]


def _shown(said: str) -> str:
    """Give what was said as far as there is room for it, in letters that every font has."""
    letters = "".join(sign if sign.isascii() and sign.isprintable() else "·" for sign in said)
    return letters if len(letters) <= 4 else f"{letters[:3]}…"


def _styled(svg: str) -> str:
    """Put the style sheet's variables in the place of the colours, and leave out what a page has no use for."""
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    start = svg.index("<svg")
    return svg[start:].replace("<svg ", '<svg focusable="false" aria-hidden="true" ', 1)
