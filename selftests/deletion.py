"""The mutation operator that cosmic-ray lacks: a statement is deleted, such as a send."""

from collections.abc import Iterator
from typing import Any

import parso
from cosmic_ray.operators.operator import Example, Operator

# Statements whose absence is another program; what is only said (a docstring) is none.
_DELETABLE = ("atom_expr", "expr_stmt", "del_stmt", "raise_stmt", "return_stmt")


class DeleteStatement(Operator):
    """Puts `pass` in the place of a call, an assignment, a del, a raise or a return that is a statement."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Give where this node's statement begins and ends, if it is one."""
        if node.type in _DELETABLE and node.parent is not None and node.parent.type == "simple_stmt":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Give what stands in the statement's place."""
        del index
        return parso.parse(node.get_first_leaf().prefix + "pass")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Show what it does."""
        return (Example("send(x)\n", "pass\n"), Example("x = 1\n", "pass\n"))
