"""The commands below `outcry admin` that concern users and their wallets."""

import uuid
from typing import Annotated
from urllib.parse import quote

import typer

from outcry.admin_commands import UserId, do

app = typer.Typer()

Limit = Annotated[int, typer.Option(min=1, max=500)]


@app.command()
def users(
    search: Annotated[str, typer.Argument(help="a part of the name")] = "",
    limit: Limit = 50,
) -> None:
    """List users, or those with a text in their name."""
    do("GET", f"/admin/users?search={quote(search)}&limit={limit}", None)


@app.command()
def role(user_id: UserId, role: Annotated[str, typer.Argument(help="admin or user")]) -> None:
    """Make a user an administrator, or an ordinary user again."""
    do("POST", f"/admin/users/{user_id}/role", {"role": role})


@app.command()
def revoke_tokens(user_id: UserId) -> None:
    """End all tokens of a user."""
    do("POST", f"/admin/users/{user_id}/revoke-tokens", None)


@app.command()
def reset_password(user_id: UserId) -> None:
    """Shut a user out until they set a new password with the code that this prints, once."""
    do("POST", f"/admin/users/{user_id}/reset-password", None)


@app.command()
def statement(user_id: UserId, limit: Limit = 20) -> None:
    """Show what moved a user's balances, newest first; user 1 is the exchange, to which fees go."""
    do("GET", f"/admin/users/{user_id}/transactions?limit={limit}", None)


@app.command()
def correct(
    transaction_id: Annotated[int, typer.Argument(min=1, help="of the entry to take back")],
    reason: Annotated[str, typer.Option(help="what the user will read")],
    request_id: Annotated[str, typer.Option(help="makes a retry harmless; a new one by default")] = "",
) -> None:
    """Take an entry of the ledger back by a counter-entry."""
    body = {"reason": reason, "request_id": request_id or str(uuid.uuid4())}
    do("POST", f"/admin/transactions/{transaction_id}/correct", dict(body))
