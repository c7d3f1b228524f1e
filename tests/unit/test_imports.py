import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipeline", "components", "models", "serving")
# Whom each package may import besides itself; the design has the picture.
ALLOWED = {
    "pipeline": {"components", "models", "serving"},
    "components": {"models", "serving"},
    "models": set[str](),
    "serving": {"models"},
}
# The gate tries the model with the server that will serve it.
SERVING_USERS = {"components.serving_gate", "components.canary"}
LIGHT = ("models/features.py", "models/contract.py")


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(file: Path) -> set[str]:
    """All modules that a file imports, at any depth, `from a import b` as a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            assert node.module is not None
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def siblings_of(file: Path) -> set[str]:
    roots = {name.partition(".")[0] for name in imports_of(file)}
    return (roots & {*PACKAGES, "benchmarks", "tests"}) - {module_name(file).partition(".")[0]}


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_only_what_the_design_allows_when_read(package: str) -> None:
    files = files_of(package)
    assert len(files) > 5  # else this test looks at nothing
    wrong = {module_name(file): siblings_of(file) - ALLOWED[package] for file in files}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_only_the_serving_gate_knows_the_server_when_components_are_read() -> None:
    users = {module_name(f) for f in files_of("components") if "serving" in siblings_of(f)}
    assert users <= SERVING_USERS


@pytest.mark.parametrize("path", LIGHT)
def test_imports_the_standard_library_alone_when_clients_need_it(path: str) -> None:
    roots = {name.partition(".")[0] for name in imports_of(ROOT / path)}
    assert roots - set(sys.stdlib_module_names) == set()


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks"])
def test_is_empty_when_it_is_an_init_file(package: str) -> None:
    inits = sorted((ROOT / package).rglob("__init__.py"))
    assert inits
    assert [str(file) for file in inits if file.read_text()] == []


def test_has_no_cycles_when_all_imports_are_followed() -> None:
    files = {module_name(file): file for package in PACKAGES for file in files_of(package)}
    graph = {
        name: {found for found in imports_of(file) if found in files and found not in PACKAGES}
        for name, file in files.items()
    }
    # Modules without imports that are left go first; what can never go is on a cycle or behind one.
    while leaves := {name for name, found in graph.items() if not found}:
        graph = {name: found - leaves for name, found in graph.items() if name not in leaves}
    assert graph == {}


def test_imports_nothing_from_tests_when_it_is_no_test() -> None:
    files = [file for package in (*PACKAGES, "benchmarks") for file in files_of(package)]
    wrong = [module_name(file) for file in files if "tests" in siblings_of(file)]
    assert wrong == []
