"""The house as ADR 1 draws it: who may import whom, how large things may be, what is public."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

import transire
from transire.observe.fields import EVENT_PATTERN, FIELDS, REASONS

SOURCE = Path(transire.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))


def _described(node: ast.AST, section: str) -> list[str]:
    """Names that a docstring's section lists."""
    doc = ast.get_docstring(node) or ""  # type: ignore[arg-type] # classes and functions alone
    found = re.search(rf"^{section}:\n((?:    .*\n| *\n)*)", doc + "\n", re.MULTILINE)
    return re.findall(r"^    (\w+):", found[1], re.MULTILINE) if found else []


def _names(node: ast.AST) -> set[str]:
    """Every name that stands anywhere inside a definition."""
    names = set()
    for inner in ast.walk(node):
        for kind in ("id", "attr", "arg", "name"):
            name = getattr(inner, kind, None)
            names |= {name} if isinstance(name, str) else set()
    return names


def _functions(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    ]


def test_nothing_cites_what_a_reader_does_not_have() -> None:
    """Invariants stand in docs/explanation/invariants.md, decisions in docs/adr."""
    root = SOURCE.parents[1]
    unpublished = re.compile(
        "DES" + r"IGN (§|I\d)|\bresea" + r"rch[:/]|\bST" + r"YLE\b|rout" + "ing §"
    )
    texts = [
        path
        for folder in ("src", "docs", "tests", "audit", "policies", "schemas")
        for path in (root / folder).rglob("*")
        if path.suffix in {".py", ".md", ".yaml", ".cedar", ".json"}
    ]

    assert [path for path in texts if unpublished.search(path.read_text())] == []


def test_docstrings_describe_only_what_there_is() -> None:
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    wrong = [
        (path.name, node.name, name)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kinds)
        for name in (*_described(node, "Attributes"), *_described(node, "Args"))
        if name not in _names(node)
    ]

    assert wrong == []


def test_every_invariant_that_code_names_is_told() -> None:
    told = (SOURCE.parents[1] / "docs/explanation/invariants.md").read_text()
    named = {name for path in MODULES for name in re.findall(r"\bI\d{1,2}\b", path.read_text())}

    assert len(named) > 8
    assert {name for name in named if f"| {name} |" not in told} == set()


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(
        command, cwd=SOURCE.parents[1], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout


def test_no_module_passes_five_hundred_lines_and_half_stay_below_one_hundred_and_fifty() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in MODULES}

    assert {p.name for p, n in sizes.items() if n > 500} == set()
    assert median(sizes.values()) <= 150


def test_no_function_passes_sixty_lines_and_half_stay_below_twelve() -> None:
    sizes = [size for path in MODULES for size in _functions(path)]
    # A factory of routes is as long as its routes; each route in it is a function of its own. The
    # other two are one constructor call each.
    excused = {"add_reviews", "_health", "_wire", "to_catalog"}
    long = {name for name, size in sizes if size > 60 and name not in excused}

    assert long == set()
    assert median(size for _, size in sizes) <= 12


@pytest.mark.parametrize(
    "name", [m.name for m in pkgutil.walk_packages([str(SOURCE)], "transire.")]
)
def test_every_public_name_is_listed_and_exists(name: str) -> None:
    if name.startswith("transire.demo.fleet") or name.endswith(".worker"):
        pytest.skip("a program, not a library")
    if name.startswith("transire.workbench.names."):
        pytest.importorskip("torch", reason="the extra `train` is not installed")
    module = importlib.import_module(name)
    tree = ast.parse(Path(str(module.__file__)).read_text())
    assert ast.get_docstring(tree), "every module says what is here"
    if not name.count(".") or Path(str(module.__file__)).name == "__init__.py":
        return
    listed = set(module.__all__)
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and not node.name.startswith("_")
    }

    assert all(hasattr(module, n) for n in listed)
    assert len(listed) == len(module.__all__)
    assert defined <= listed


def test_only_dispatch_sends_and_only_the_record_stage_makes_permits() -> None:
    senders = {
        path.name
        for path in MODULES
        if any(
            isinstance(node, ast.Attribute)
            and node.attr == "send"
            and "forwarder" in ast.dump(node)
            for node in ast.walk(ast.parse(path.read_text()))
        )
    }
    makers = {
        path.name
        for path in MODULES
        if any(
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "Recorded"
            for node in ast.walk(ast.parse(path.read_text()))
        )
    }

    assert {"dispatch.py", "judging.py", "shadowing.py"} == senders
    assert {"recorder.py"} == makers


def test_the_auditors_kit_imports_nothing_of_ours() -> None:
    kit = sorted((SOURCE.parents[1] / "audit").glob("*.py"))
    imported = {
        alias.name if isinstance(node, ast.Import) else str(node.module)
        for path in kit
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    roots = {name.split(".")[0] for name in imported}

    assert roots - set(sys.stdlib_module_names) == {
        "cryptography",
        "answers",
        "attempts",
        "draws",
        "shadows",
        "budgets",
        "governed",
        "people",
        "reviews",
        "judgments",
        "moderations",
        "rules",
        "shapes",
        "trees",
    }
    assert {path.stem for path in kit} == {
        "answers",
        "attempts",
        "draws",
        "shadows",
        "budgets",
        "governed",
        "people",
        "reviews",
        "judgments",
        "moderations",
        "rules",
        "shapes",
        "trees",
        "verify",
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_line_of_the_operational_log_names_a_field_that_is_dropped(path: Path) -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"debug", "info", "warning", "error", "exception", "critical"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and EVENT_PATTERN.fullmatch(str(node.args[0].value))
    ]
    named = {keyword.arg for call in calls for keyword in call.keywords}

    assert named <= FIELDS | REASONS | {"exc_info"}
