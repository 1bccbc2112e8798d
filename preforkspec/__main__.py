"""The console command `preforkspec`, and `python -m preforkspec`. What is slow to import is imported late."""

import os
import signal
import sys
from collections.abc import Sequence

UNDECIDED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status."""
    # First of all: Ctrl-C ends what only prints, at once and without a traceback; a check takes it over.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from preforkspec import house, streams

    arguments = sys.argv[1:] if arguments is None else arguments
    streams.open_all()
    try:
        return _run(arguments)
    except house.SuiteMissing as missing:
        sys.stderr.write(f"preforkspec: {missing}\n")
    except ModuleNotFoundError as missing:
        sys.stderr.write(f"preforkspec: the Python package {missing.name} is missing; install preforkspec with pip\n")
    except OSError as error:
        streams.hush()
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"preforkspec: {error}\n")
            return UNDECIDED
        # Whoever reads our output has seen enough; but a class may not be graded by then.
        return UNDECIDED if arguments[:1] == ["grade"] else 0
    return UNDECIDED


def _run(arguments: Sequence[str]) -> int:
    from importlib import import_module

    from preforkspec import house, options, streams

    if arguments and arguments[0] == "serve":
        _serve(arguments[1:])
    parser = options.parser()
    asked, unknown = parser.parse_known_args(arguments)
    if unknown:
        program = "preforkspec" if asked.command is None else f"preforkspec {asked.command}"
        sys.stderr.write(f"{program}: unknown argument {unknown[0]!r}; expected what {program} --help lists\n")
        return options.USAGE
    if asked.command == "check":
        from preforkspec import check

        return streams.finish(check.run(asked))
    if asked.command in ("grade", "grade-one"):
        from preforkspec import grade

        return streams.finish(grade.run(asked))
    folder = house.move_in()
    if asked.version:
        print(f"preforkspec {house.version(folder)}")
        return 0
    shown = {
        "clauses": lambda: import_module("grading.catalogue").show(asked.id),
        "compare": lambda: import_module("grading.comparison").show(asked.before, asked.after),
        "doctor": lambda: import_module("doctor.report").show(),
    }
    if asked.command in shown:
        return _printed(shown[asked.command]())
    sys.stderr.write(parser.format_help())
    return options.USAGE


def _printed(status: int) -> int:
    """Give the status once all that was printed is out."""
    sys.stdout.flush()
    return status


def _serve(arguments: Sequence[str]) -> None:
    from preforkspec import house

    folder = house.suite()
    path = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": str(folder) if not path else f"{folder}{os.pathsep}{path}"}
    # -P: a `reference_server` in the current folder is not ours.
    command = [sys.executable, "-P", "-m", "reference_server", *arguments]
    os.execve(sys.executable, command, environment)


if __name__ == "__main__":
    sys.exit(main())
