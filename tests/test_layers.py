"""The house stands: imports run one way, and only the rooms at the door touch the world."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from examples import ROOT
from netc.checks import SUBJECTS

PACKAGE = ROOT / "compiler" / "netc"
MODULES = tuple(sorted(PACKAGE.rglob("*.py")))

ROOMS = (
    "shipped",
    "workers",
    "diagnostic",
    "language",
    "network",
    "plan",
    "features",
    "walk",
    "checks",
    "emit",
    "verify",
    "report",
    "exchange",
    "write",
    "pipeline",
    "provenance",
    "deploy",
    "lab",
    "live",
    "cli",
)
"""A room imports rooms that stand before it. `checks` come after `features`, whose derived names they measure."""

APART = {
    "emit": ("netc.features", "netc.checks", "netc.language.topology", "netc.network.resolve"),
    "plan": ("netc.language.topology",),
    "walk": ("netc.features", "netc.language.topology", "netc.network.resolve"),
    "report": ("netc.features", "netc.network", "netc.plan", "netc.emit"),
    "verify": ("netc.language", "netc.network", "netc.plan", "netc.features"),
    "exchange": ("netc.",),
    "deploy": ("netc.language", "netc.network", "netc.plan", "netc.emit", "netc.pipeline"),
}
"""What a room could import by its place, and must not: it reads its own noun and nothing before that."""

WRITERS = ("cli", "deploy", "exchange", "lab", "live", "verify", "write")
SAYS = ("cli", "verify")
"""`verify` runs the judges, and needs to know where they are."""
LONGEST_FUNCTION = 55
LONGEST_MODULE = 350


@cache
def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text())


def place(module: Path) -> str:
    return str(module.relative_to(PACKAGE))


def room(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(module: Path) -> Iterator[str]:
    """Full names of what it imports, also inside functions and for types alone."""
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def own(module: Path) -> Iterator[str]:
    """What is netc's; its version is in no room."""
    yield from (name for name in imported(module) if name.startswith("netc.") and name != "netc.__version__")


def found(look: Callable[[Path], Iterable[str]], modules: Iterable[Path] = MODULES) -> list[str]:
    return [f"{place(module)}: {what}" for module in modules for what in look(module)]


def all_but(rooms: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(module for module in MODULES if room(module) not in rooms)


def test_every_directory_is_a_known_layer() -> None:
    assert {room(module) for module in MODULES} - {"__init__"} == set(ROOMS)


def test_layers_import_lower_layers_only() -> None:
    backwards = found(lambda module: (name for name in own(module) if name.split(".")[1] not in before(module)))

    assert backwards == []


def before(module: Path) -> tuple[str, ...]:
    here = room(module)
    return () if here == "__init__" else ROOMS[: ROOMS.index(here) + 1]


def test_a_layer_does_not_import_excluded_layers() -> None:
    wrong = found(lambda module: (name for name in own(module) if name.startswith(APART.get(room(module), ("-",)))))

    assert wrong == []


def test_features_never_import_each_other() -> None:
    features = inhabitants("features")
    wrong = found(lambda module: (name for name in own(module) if ".features" in name), features)

    assert features
    assert wrong == []


def test_every_check_is_registered() -> None:
    """Those of references and of what has no effect are asked apart."""
    having = {module.stem for module in inhabitants("checks") if any(map(is_check, parsed(module).body))}

    assert having == {*SUBJECTS, "references", "unused", "shadowed"}


def is_check(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "check"


def test_emitters_never_import_each_other_s_printers() -> None:
    """All but what they share: the file, and the door to templates."""
    shared = ("netc.emit.file", "netc.emit.render")
    emitters = inhabitants("emit")
    wrong = found(
        lambda module: (
            name for name in own(module) if ".emit." in name and not name.startswith((*shared, folder(module)))
        ),
        emitters,
    )

    assert emitters
    assert wrong == []


def folder(module: Path) -> str:
    """The package of a printer that takes several modules."""
    return f"netc.emit.{module.parent.name}."


def inhabitants(name: str) -> tuple[Path, ...]:
    return tuple(module for module in MODULES if room(module) == name and module.name != "__init__.py")


WRITING = {
    "write_text",
    "write_bytes",
    "mkdir",
    "makedirs",
    "unlink",
    "rmdir",
    "rmtree",
    "rename",
    "touch",
    "chmod",
    "fchmod",
    "chown",
    "symlink",
    "symlink_to",
    "hardlink_to",
    "link",
    "copyfile",
    "system",
    "popen",
}
"""Methods and functions that change a disk. `os.replace` is told from `str.replace` by its module."""

DOORS = {"shutil", "subprocess", "tempfile", "socket", "ctypes", "fcntl"}
"""Modules that one imports to touch the world."""


def touches(module: Path) -> Iterator[str]:
    for name in imported(module):
        if name.split(".")[0] in DOORS:
            yield name
    for node in ast.walk(parsed(module)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="open" | "replace" | "remove" as name)):
                yield f"os.{name}"
            case ast.Call(func=ast.Attribute(attr=name)) if name in WRITING:
                yield name
            case ast.Call(func=ast.Name(id="open") | ast.Attribute(attr="open")):
                yield "open"
            case _:
                pass


def test_only_the_writing_layers_access_the_disk() -> None:
    assert found(touches, all_but(WRITERS)) == []


def says(module: Path) -> Iterator[str]:
    yield from (name for name in imported(module) if name.split(".")[0] in ("typer", "rich", "click", "logging"))
    for node in ast.walk(parsed(module)):
        match node:
            case ast.Call(func=ast.Name(id="print" | "exit" | "quit" | "input" as name)):
                yield name
            case ast.Attribute(value=ast.Name(id="sys"), attr="stdout" | "stderr" | "stdin" | "exit" | "argv" as name):
                yield f"sys.{name}"
            case ast.Attribute(value=ast.Name(id="os"), attr="_exit" | "abort" | "environ" | "getenv" as name):
                yield f"os.{name}"
            case ast.Name(id="SystemExit"):
                yield "SystemExit"
            case _:
                pass


def test_only_cli_and_verify_print_exit_and_read_the_environment() -> None:
    assert found(says, all_but(SAYS)) == []


CHANCE = {"time", "datetime", "random", "secrets", "uuid", "getpass", "platform", "locale", "tzlocal"}


def test_no_compiling_module_imports_clocks_or_random_numbers() -> None:
    """`deploy` and `lab` wait for hosts, and compile nothing; a build is watched, which is not told to what compiles,
    and waits for another one that writes the same tree."""
    verbs = ("build", "progress", "lab", "verify")
    watching = [PACKAGE / "exchange.py", *(PACKAGE / f"cli/{name}.py" for name in verbs)]
    compiling = (module for module in all_but(("deploy", "lab")) if module not in watching)
    chances = found(lambda module: (name for name in imported(module) if name.split(".")[0] in CHANCE), compiling)

    assert chances == []


def test_the_searches_of_this_file_find_known_cases() -> None:
    """The rooms at the door do all of it."""
    reader, exchange, teller = PACKAGE / "cli/files.py", PACKAGE / "exchange.py", PACKAGE / "cli/topology.py"

    assert {"os.open", "open"} <= set(touches(reader))
    assert {"shutil", "rename", "rmdir"} <= set(touches(exchange))
    assert {"typer", "sys.stderr"} <= set(says(teller))


def test_a_module_is_short() -> None:
    lengths = {place(module): len(module.read_text().splitlines()) for module in MODULES}

    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_a_function_fits_a_screen() -> None:
    assert found(long_functions) == []


def long_functions(module: Path) -> Iterator[str]:
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield f"{node.name}: {length} lines"


def test_every_module_has_a_docstring() -> None:
    silent = [place(m) for m in MODULES if m.read_text().strip() and not ast.get_docstring(parsed(m))]

    assert silent == []
