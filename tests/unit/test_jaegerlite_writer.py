"""A commit that fails says why."""

from typing import cast

import duckdb
import pytest

from jaegerlite.writer import transaction


class FullDisk:
    """A connection to a database whose disk is full: its commit fails, and ends the transaction."""

    def begin(self) -> None: ...

    def commit(self) -> None:
        raise duckdb.IOException("no space left on device")

    def rollback(self) -> None:
        raise duckdb.TransactionException("cannot rollback - no transaction is active")


def test_a_failed_commit_is_told_by_its_own_error() -> None:
    """What the log says about a full disk is that it is full, not that there was nothing left to take back."""
    with (
        pytest.raises(duckdb.IOException, match="no space"),
        transaction(cast("duckdb.DuckDBPyConnection", FullDisk())),
    ):
        pass
