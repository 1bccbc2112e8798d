"""The specification's table of contents: every section, in reading order, and the register of all clauses."""

from spec import accept, channel, console, epoll, http, lifecycle, pool, protocol, recovery, recycle
from spec.clause import Clause, ClauseId, Section

SECTIONS: tuple[Section, ...] = (
    lifecycle.SECTION,
    channel.SECTION,
    protocol.SECTION,
    accept.SECTION,
    epoll.SECTION,
    pool.SECTION,
    recycle.SECTION,
    http.SECTION,
    recovery.SECTION,
    console.SECTION,
)

CLAUSES: dict[ClauseId, Clause] = {clause.id: clause for section in SECTIONS for clause in section}


class UnknownClause(ValueError):
    """A selector that is neither a clause's id nor a section's name."""


def selected(selectors: tuple[str, ...]) -> tuple[Clause, ...]:
    """Give the clauses that the selectors name, each an id or a section, in the register's order; none means all.

    Raises UnknownClause.
    """
    names = {section.name for section in SECTIONS}
    for selector in selectors:
        if selector not in names and selector not in CLAUSES:
            known = ", ".join(section.name for section in SECTIONS)
            raise UnknownClause(f"unknown clause {selector!r}: expected an id such as pool-2, or one of {known}")
    return tuple(
        clause for clause in CLAUSES.values() if not selectors or clause.id in selectors or clause.section in selectors
    )
