"""Copies of a store while it runs, and back.

The copy is one state of the store, whatever arrives meanwhile, and a store in itself: a folder to run jaegerlite on.
"""

import shutil
import time
from pathlib import Path
from typing import Final

import duckdb

from jaegerlite.store import FILE_NAME

CATALOG: Final = Path(FILE_NAME).stem
STATE_FILES: Final = "*.json"


class BackupError(Exception):
    """A copy cannot be made or put back; the text says why."""


def new_name() -> str:
    """A name for a copy that is made now, such as `20260131T120000Z`."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def copy_store(cursor: duckdb.DuckDBPyConnection, data_dir: Path, target: Path) -> None:
    """Copy an open store into a folder, which must not exist.

    Raises:
        BackupError: the folder exists, or the disk refuses; nothing is left of the copy then.
    """
    try:
        target.mkdir(parents=True)
    except FileExistsError as error:
        raise BackupError(f"{target} exists already") from error
    quoted = str(target / FILE_NAME).replace("'", "''")
    try:
        cursor.execute(f"ATTACH '{quoted}' AS copy")
        try:
            cursor.execute(f"COPY FROM DATABASE {CATALOG} TO copy")
        finally:
            cursor.execute("DETACH copy")
        for file in data_dir.glob(STATE_FILES):
            shutil.copy2(file, target)
    except (duckdb.Error, OSError) as error:
        shutil.rmtree(target, ignore_errors=True)
        raise BackupError(f"the store cannot be copied to {target}: {error}") from error


def copy_closed_store(data_dir: Path, target: Path) -> None:
    """Copy a store that no process has open. Raises BackupError."""
    if not (data_dir / FILE_NAME).is_file():
        raise BackupError(f"there is no {FILE_NAME} in {data_dir}")
    try:
        with duckdb.connect(str(data_dir / FILE_NAME)) as connection:
            copy_store(connection, data_dir, target)
    except duckdb.Error as error:
        raise BackupError(f"{data_dir}: {error}") from error


def restore(source: Path, data_dir: Path) -> Path | None:
    """Put a copy in the place of a store that no process has open; return where the store that was there went.

    Raises:
        BackupError: there is no copy in the source folder, or a process has the store open.
    """
    if not (source / FILE_NAME).is_file():
        raise BackupError(f"there is no {FILE_NAME} in {source}")
    data_dir.mkdir(parents=True, exist_ok=True)
    replaced: Path | None = None
    if (data_dir / FILE_NAME).exists():
        try:
            duckdb.connect(str(data_dir / FILE_NAME)).close()
        except duckdb.Error as error:
            raise BackupError(f"stop jaegerlite first: {error}") from error
        replaced = data_dir / f"replaced-{new_name()}"
        replaced.mkdir()
        for file in (*data_dir.glob(f"{FILE_NAME}*"), *data_dir.glob(STATE_FILES)):
            file.replace(replaced / file.name)
    for file in (source / FILE_NAME, *source.glob(STATE_FILES)):
        shutil.copy2(file, data_dir)
    return replaced
