"""Mutation by rule: small changes made mechanically to the reference server, or to `spec/`; each must be found out.

`python -m selftests.operators reference_server|spec [--module NAME …] [--sample N] [--seed N] [--at-once N]
[--kept FILE]`. A change to the reference server must be found by the check of it, one to `spec/` by its selftests.
What survives is to be killed by a sharper test, or explained in `survivors.toml`: the exit status is 1 for one that is
neither. cosmic-ray's operators make the changes, and one of ours deletes a statement. Each runs in a copy of the
project.
"""

import argparse
import ast
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.operators.provider import OperatorProvider

from selftests.checked import ROOT, end_in_order, side_by_side
from selftests.deletion import DeleteStatement

SURVIVORS = Path(__file__).with_name("survivors.toml")
# Of cosmic-ray's replacements those that a slip of the pen makes: a bound off by one, a branch swapped, a flag dropped.
CHOSEN = (
    *("AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ExceptionReplacer", "NumberReplacer"),
    *("ZeroIterationForLoop", "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_USub"),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Eq_NotEq", "NotEq_Eq")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Is_IsNot", "IsNot_Is")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_FloorDiv", "FloorDiv_Mul", "Div_Mul")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("BitOr_BitAnd", "BitAnd_BitOr")),
)
# By what is mutated: what must find it out, its tests, and for how many seconds at most.
CHECK = (sys.executable, "-m", "preforkspec", "check", "-n", "2", "--fail-fast", "--json", "verdict.json")
PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "pytest_timeout")
_RECKON = ("test_spec_*.py", "test_ledger.py", "test_the_model.py", "test_models.py")
SPECIFICATION = [str(path.relative_to(ROOT)) for each in _RECKON for path in sorted(ROOT.glob(f"selftests/{each}"))]
# The list of clauses has every word of theirs.
SPECIFICATION.append("selftests/test_documents.py::test_the_list_of_clauses_is_what_spec_says")
TESTS = {
    "reference_server": (CHECK, [], 240.0),
    "spec": (PYTEST, SPECIFICATION, 120.0),
}


@dataclass(frozen=True)
class Change:
    """One mechanical change: `line` and `became` are the first line that differs, before and after."""

    module: str
    operator: str
    occurrence: int
    number: int  # of the line
    line: str
    became: str


@dataclass(frozen=True)
class Tried:
    """What came of a change: `found` says by what, and is empty where it survived."""

    change: Change
    found: str
    seconds: float


def nearest_first(tests: list[str], module: str) -> list[str]:
    """Give the tests in another order: first those with the name of the module, or of its folder in the package."""
    names = [Path(module).stem, *Path(module).parts[1:-1]]
    return sorted(tests, key=lambda test: not any(name in test.removeprefix("selftests/test_") for name in names))


@cache
def operators() -> dict[str, Operator]:
    """Give the operators by name."""
    provider = OperatorProvider()
    return {**{name: provider[name]() for name in CHOSEN}, "DeleteStatement": DeleteStatement()}


def changes(package: Path, root: Path) -> Iterator[Change]:
    """List all changes to the modules of a package, but for those that change nothing, or a type alone."""
    for module in sorted(package.rglob("*.py")):
        source = module.read_text(encoding="utf-8")
        known, nodes = {_bare(source)}, list(ast_nodes(get_ast(source)))
        for name, operator in operators().items():
            count = sum(1 for node in nodes for _ in operator.mutation_positions(node))
            for occurrence in range(count):
                changed = mutate_code(source, operator, occurrence)
                bare = _bare(changed) if changed is not None else None
                if bare is not None and bare not in known:
                    known.add(bare)
                    number, line, became = _first_difference(source, changed)
                    yield Change(str(module.relative_to(root)), name, occurrence, number, line, became)


def _bare(source: str) -> str | None:
    """Give what a module does, without what it says of types and that nothing is returned; None for no Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
            while node.body and _returns_nothing(node.body[-1]):
                node.body.pop()
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(value=None)
    return ast.dump(tree)


def _returns_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Return):
        return statement.value is None or ast.unparse(statement.value) == "None"
    return isinstance(statement, ast.Pass)


def _first_difference(before: str, after: str) -> tuple[int, str, str]:
    for number, (line, became) in enumerate(zip(before.splitlines(), after.splitlines(), strict=False), 1):
        if line != became:
            return number, line.strip(), became.strip()
    return 0, "", ""


class Tree:
    """A copy of the project, in which one change at a time is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in listed.stdout.splitlines():
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)

    def insist_on_unchanged(self, command: Sequence[str], within: float) -> None:
        """Raise SystemExit where even the unchanged project is found out: nothing could be learnt from that."""
        if found := self._runs(command, within):
            raise SystemExit(f"without any change: {found}; expected that all pass ({' '.join(command)})")

    def tries(self, change: Change, command: Sequence[str], within: float) -> Tried:
        """Make a change, run what must find it out, and undo it."""
        module, began = self.folder / change.module, time.monotonic()
        source = module.read_text(encoding="utf-8")
        module.write_text(mutate_code(source, operators()[change.operator], change.occurrence), encoding="utf-8")
        try:
            found = self._runs(command, within)
        finally:
            module.write_text(source, encoding="utf-8")
        return Tried(change, found, time.monotonic() - began)

    def _runs(self, command: Sequence[str], within: float) -> str:
        document = self.folder / "verdict.json"
        document.unlink(missing_ok=True)
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(self.folder)}
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # half of what a short run takes
        program = subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            said, _ = program.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            program.terminate()
            program.communicate()
            return f"not through in {within:.0f} s"
        if document.exists():
            judged = json.loads(document.read_text(encoding="utf-8"))["clauses"]
            # What could not be decided was not found out.
            return ", ".join(each["id"] for each in judged if each["verdict"] == "fail")
        failures = [line.split(" ")[1] for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        return (failures or ["it does not start"])[0] if program.returncode else ""


def explained() -> dict[tuple[str, str, str, str], str]:
    """Give why survivors are no finding, by module, operator, line before and line after."""
    listed = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get("survivor", [])
    return {(each["module"], each["operator"], each["line"], each["became"]): each["why"] for each in listed}


def main() -> int:
    """Try the changes; status 1 where one survives and is not explained."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", choices=TESTS)
    parser.add_argument(
        "--module", action="append", metavar="NAME", help="only modules of this name, such as pool (all)"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="so many of them, drawn by the seed (all)")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--at-once", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--kept", type=Path, metavar="FILE", help="add each outcome to it, a line of JSON each")
    options = parser.parse_args()
    end_in_order()
    command, tests, within = TESTS[options.package]
    known, all_of_them = explained(), list(changes(ROOT / options.package, ROOT))
    if options.module:
        all_of_them = [each for each in all_of_them if Path(each.module).stem in options.module]
    chosen = all_of_them if options.sample is None else random.Random(options.seed).sample(all_of_them, options.sample)
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="operators-") as scratch:
        trees: queue.Queue[Tree] = queue.Queue()
        for number in range(options.at_once):
            trees.put(tree := Tree(Path(scratch) / str(number)))
        tree.insist_on_unchanged([*command, *tests], within)

        def one(change: Change) -> Tried:
            tree = trees.get()
            try:
                return tree.tries(change, [*command, *nearest_first(tests, change.module)], within)
            finally:
                trees.put(tree)

        tries = side_by_side([partial(one, change) for change in chosen], at_once=options.at_once)
        for number, tried in enumerate(tries, 1):
            change = tried.change
            why = known.get((change.module, change.operator, change.line, change.became), "")
            outcome = tried.found or (f"survives, as {why}" if why else "SURVIVES")
            survivors += not tried.found and not why
            where = f"{change.module}:{change.number} {change.operator}"
            print(f"{number:4} of {len(chosen)}  {tried.seconds:5.1f} s  {where}: {outcome}", flush=True)
            if not tried.found:
                print(f"      - {change.line}\n      + {change.became}", flush=True)
            if options.kept:
                with options.kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({**asdict(change), "found": tried.found, "seconds": tried.seconds}) + "\n")
    print(f"{len(chosen)} of {len(all_of_them)} changes, {survivors} survive without a reason")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
