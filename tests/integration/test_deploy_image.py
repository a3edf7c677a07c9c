"""What goes into the image, by its own steps in a clean folder: no engine of containers is needed for that."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from outcry import probe
from tests.deployed import DEPLOY, PROJECT

DOCKERFILE = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
BUILD = next(stage for stage in DOCKERFILE.split("\nFROM ") if "AS build" in stage)
COPIES = [line.split()[1:] for line in BUILD.splitlines() if line.startswith("COPY")]
STEPS = re.findall(r"^RUN (pip install .*)$", BUILD, re.MULTILINE)
IGNORE = [line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line and line[0] != "#"]


def let_through(path: str) -> bool:
    """Whether a file of the project reaches the build, by Docker's rules: the last line that fits decides."""
    kept = True
    parts = Path(path).parts
    for line in IGNORE:
        anywhere, pattern = line.lstrip("!").startswith("**/"), line.lstrip("!").removeprefix("**/")
        candidates = parts if anywhere else ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        if any(fnmatch.fnmatch(candidate, pattern) for candidate in candidates):
            kept = line.startswith("!")
    return kept


def context(folder: Path) -> None:
    """What the build stage copies, as far as the list of what is ignored lets it through."""
    for *sources, target in COPIES:
        for source in sources:
            start = PROJECT / source
            for path in [start] if start.is_file() else sorted(p for p in start.rglob("*") if p.is_file()):
                relative = path.relative_to(PROJECT).as_posix()
                if let_through(relative):
                    inside = start.name if start.is_file() else relative.removeprefix(source).lstrip("/")
                    into = folder / target / inside
                    into.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, into)


def test_the_image_holds_all_that_the_processes_need(tmp_path: Path) -> None:
    """Installed by the image's own step outside the project, every service, jaegerlite and the command line is there.

    Migrations, scripts and pages, which are no Python, come with them.
    """
    source, site = tmp_path / "src", tmp_path / "site"
    context(source)
    assert not list(source.rglob("*.so"))
    own = [step for step in STEPS if step.endswith(" .")]
    assert own == ["pip install --no-deps ."]
    subprocess.run(
        [sys.executable, "-m", *own[0].split(), "--no-build-isolation", "--no-index", "--quiet", "--target", str(site)],
        cwd=source,
        env=os.environ | {"OUTCRY_PURE": "1"},
        check=True,
        capture_output=True,
        timeout=300,
    )
    for path in source.rglob("*"):
        inside = path.relative_to(source)
        if path.is_file() and inside.parts[0] in ("services", "shared", "jaegerlite", "outcry"):
            assert (site / inside).exists(), f"{inside} is not in the image"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}
    where = (
        "import outcry.cli, jaegerlite.__main__, services.wallet_service.app\n"
        "from outcry import catalogue, initialise\n"
        "migrations = [initialise.migrations_of(service).is_dir() for service in catalogue.SERVICES[1:]]\n"
        "print(outcry.cli.__file__, jaegerlite.__main__.__file__, all(migrations))"
    )
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    ).stdout.split()
    assert found == [str(site / "outcry/cli.py"), str(site / "jaegerlite/__main__.py"), "True"]


def test_libraries_come_by_hash() -> None:
    """The image installs exactly the locked libraries, each checked against its hash, and our own code without more."""
    assert STEPS == ["pip install --require-hashes -r requirements.lock", "pip install --no-deps ."]
    lock = (PROJECT / "requirements.lock").read_text()
    pinned = re.findall(r"^[a-z0-9._-]+==", lock, re.MULTILINE)
    assert len(pinned) > 20
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=[a-z0-9])", lock.strip()))


def test_fix_comes_with_its_engine(tmp_path: Path) -> None:
    """The image compiles QuickFIX by the script of `make fix`, from the lock file, and has all that this needs."""
    context(tmp_path)
    assert "RUN python scripts/install_quickfix.py" in BUILD.splitlines()
    assert "scripts/install_quickfix.py\n" in (PROJECT / "Makefile").read_text()
    for path in ("scripts/install_quickfix.py", "scripts/quickfix_setup.py", "requirements-fix.lock"):
        assert (tmp_path / path).read_text() == (PROJECT / path).read_text()


def test_nothing_secret_gets_into_the_build() -> None:
    """Of the project's folder only what is named goes into the build: no secrets, no history, no data."""
    for path in (".git/config", ".outcry/secrets/secrets.json", "deploy/secrets/init.env", ".venv/bin/python"):
        assert not let_through(path), path
    for path in ("requirements.lock", "services/wallet_service/app.py", "web/src/desk.tsx", "web/package-lock.json"):
        assert let_through(path), path
    assert not let_through("web/node_modules/react/index.js")
    assert not let_through("shared/tracing/tracer.cpython-311-x86_64-linux-gnu.so")


def test_a_probe_of_nobody_fails() -> None:
    """A health check of an address that nobody answers says so, without an exception."""
    assert probe.answers("http://127.0.0.1:1/ready") is False
