"""The wheel carries all that a compile needs."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from examples import OUT, ROOT, differences, tree


def run(*command: str | Path, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that holds the wheel and, by a path, the libraries of this one: no network."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, folder=folder)
    (wheel,) = folder.glob("netc-*.whl")
    place = folder / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", place, folder=folder)
    python = place / "bin" / "python"
    # As a path in a .pth, which is read no further: the editable install of this environment stays out.
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder).strip())
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", python, "--no-cache-dir", "--quiet")
    run(*pip, "install", "--no-index", "--no-deps", "--ignore-installed", wheel, folder=folder)
    return place / "bin"


def test_an_installed_wheel_compiles_an_example(installed: Path, tmp_path: Path) -> None:
    run(installed / "netc", "build", ROOT / "examples" / "seedbox.toml", "-o", "made", folder=tmp_path)

    assert differences(tree(OUT / "seedbox"), tree(tmp_path / "made")) == []


def test_the_installed_package_and_templates_are_those_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    script = "import netc, netc.emit.render as r; print(netc.__file__); print(r.templates())"
    package, templates = run(installed / "python", "-c", script, folder=tmp_path).splitlines()

    assert Path(package).is_relative_to(installed.parent)
    assert Path(templates) == Path(package).parent / "templates"


def test_the_wheel_carries_every_template_and_module(installed: Path, tmp_path: Path) -> None:
    package = Path(run(installed / "python", "-c", "import netc; print(netc.__path__[0])", folder=tmp_path).strip())
    folders = {"templates": "templates", "examples": "examples", "diagnostics": "docs/diagnostics"}
    modules = {path for path in tree(ROOT / "compiler/netc") if path.endswith((".py", ".bash", "Dockerfile"))}
    shipped = {f"{name}/{path}" for name, folder in folders.items() for path in tree(ROOT / folder)}

    assert {path for path in tree(package) if not path.endswith(".pyc")} == modules | shipped


def test_the_installed_command_prints_its_version(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "netc", "--version", folder=tmp_path).startswith("netc ")
