"""What a user may ask for, and what is refused."""

import argparse
from typing import NamedTuple

EXAMPLE = "usage: python -m reference_server --port 8080 --min-spare 2 --max-spare 4 --max-connections 100"
MAX_CHILDREN = 256  # by default: without any limit, a flood of silent clients would fork without end


class Parameters(NamedTuple):
    """The port, the bounds on the idle children, the limits; service_time is in seconds."""

    port: int
    min_spare: int
    max_spare: int
    max_connections: int
    max_children: int
    service_time: float = 0.0
    verbose: bool = False


def parse(arguments: list[str] | None) -> Parameters:
    """Return a legal set of parameters, or exit with status 2 and one line on standard error."""
    parser = argparse.ArgumentParser("reference_server", argparse.SUPPRESS, EXAMPLE)  # a usage would bury that line
    parser.add_argument("--port", type=int, required=True, help="listen here, on every IPv4 address")
    parser.add_argument("--min-spare", type=int, required=True, help="spawn while fewer children are idle")
    parser.add_argument("--max-spare", type=int, required=True, help="shed while more children are idle")
    parser.add_argument("--max-connections", type=int, required=True, help="a child ends after so many")
    parser.add_argument("--max-children", type=int, help=f"never more (default: {MAX_CHILDREN})")
    parser.add_argument("--service-time", type=float, default=0.0, help="seconds to sleep in each service")
    parser.add_argument("--verbose", action="store_true", help="print a line for each connection, birth and end")
    found = parser.parse_args(arguments)
    if found.max_children is None:
        found.max_children = max(MAX_CHILDREN, found.max_spare)
    for legal, rule in (
        (1 <= found.port <= 65535, f"--port must be from 1 to 65535, not {found.port}"),
        # With nobody idle nobody accepts, and no `C` would ever ask for growth.
        (found.min_spare >= 1, f"--min-spare must be at least 1, not {found.min_spare}"),
        (found.max_spare >= found.min_spare, f"--max-spare must be at least --min-spare, not {found.max_spare}"),
        (found.max_connections >= 1, f"--max-connections must be at least 1, not {found.max_connections}"),
        (
            found.max_children >= found.min_spare,
            f"--max-children must be at least --min-spare, not {found.max_children}",
        ),
        (0 <= found.service_time <= 86400, f"--service-time must be from 0 to 86400, not {found.service_time}"),
    ):
        if not legal:
            parser.error(rule)
    return Parameters(**vars(found))
