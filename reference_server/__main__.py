"""The server as a command."""

import os
import sys

from reference_server.listener import open_listener
from reference_server.parameters import parse
from reference_server.parent import Parent


def main(arguments: list[str] | None = None) -> None:
    """Run the server until it is told to end. Exits with status 1 if it cannot listen."""
    parameters = parse(arguments)
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # a standard stream was closed: a socket that got its number would be printed to
    os.close(null)
    try:
        listener = open_listener(parameters.port)
    except OSError as refusal:
        sys.exit(f"reference_server: cannot listen on port {parameters.port}: {refusal.strerror}")
    Parent(parameters, listener).run()


if __name__ == "__main__":
    main()
