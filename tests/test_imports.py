"""Who may import whom: the map's table, held against every import statement of the package."""

import ast
import functools
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

import vsfdat

ROOT = Path(vsfdat.__file__).parent


def read_table() -> dict[str, set[str]]:
    """Read the rooms and what each may import from the map."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    return {room: set(re.findall(r"`(\w+)`", allowed)) for room, allowed in rows}


MAY_IMPORT = read_table()
_ON_CLIPS = {"plugin", "mlrt", "color", "encode", "trial"}
HOMES = {"vapoursynth": _ON_CLIPS, "vsutil": _ON_CLIPS}
OPTIONAL = {
    "av",
    "rich",
    "cyclopts",
    "bestsource",
    "openvino",
    "onnx",
    "onnxruntime",
    "onnxconverter_common",
    "matplotlib",
}
FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def area(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


@functools.cache
def parse(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def imports(path: Path, nodes: Iterable[ast.AST]) -> set[str]:
    """List what some statements of a file import, absolute."""
    package = ["vsfdat", *path.parts[:-1]]
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            found |= {f"{module}.{name.name}" for name in node.names}
    return found


@pytest.mark.parametrize("path", [path for path in FILES if path.parts[0] != "__init__.py"], ids=str)
def test_imports_follow_the_table(path: Path) -> None:
    home, found = area(path), imports(path, ast.walk(parse(path)))
    ours = {name.split(".")[1] for name in found if name.startswith("vsfdat.")} - {home}
    if home in MAY_IMPORT:
        assert ours <= MAY_IMPORT[home]
    packages = {name.split(".")[0] for name in found}
    for package, homes in HOMES.items():
        assert package not in packages or home in {*homes, "cli", "bench"}  # bench compares with other plugins
    assert "triton" not in packages or path.parts[:2] == ("ops", "triton")


@pytest.mark.parametrize("path", FILES, ids=str)
def test_optional_packages_are_imported_where_they_are_used(path: Path) -> None:
    top_level = imports(path, parse(path).body)
    assert not {name.split(".")[0] for name in top_level} & OPTIONAL


def test_the_table_has_every_room_but_the_command_itself() -> None:
    assert MAY_IMPORT.keys() == {area(path) for path in FILES} - {"__init__", "__main__", "cli"}


def test_no_room_is_in_a_circle() -> None:
    rooms = dict(MAY_IMPORT)
    while rooms:
        free = [room for room, allowed in rooms.items() if not allowed & rooms.keys()]
        assert free, f"in a circle: {sorted(rooms)}"
        for room in free:
            del rooms[room]
