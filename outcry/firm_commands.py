"""The commands below `outcry admin firm`: each is one request to the gateway."""

from typing import Annotated

import typer

from outcry.admin_commands import do

app = typer.Typer(name="firm", help="Firms: accounts that share limits and a kill switch.", no_args_is_help=True)

FirmId = Annotated[int, typer.Argument(min=1, help="the number of a firm")]
UserId = Annotated[int, typer.Argument(min=1, help="the number of a user")]


@app.command("create")
def create_firm(name: Annotated[str, typer.Argument(help="its name, taken once")]) -> None:
    """Make a firm. It limits nothing until limits are set."""
    do("POST", "/admin/firms", {"name": name})


@app.command("list")
def list_firms() -> None:
    """Show all firms, their accounts, and what is in force for them."""
    do("GET", "/admin/firms", None)


@app.command()
def join(firm_id: FirmId, user_id: UserId) -> None:
    """Put an account into a firm, with all that it has at risk."""
    do("POST", f"/admin/users/{user_id}/firm", {"firm_id": str(firm_id)})


@app.command()
def leave(user_id: UserId) -> None:
    """Take an account out of its firm."""
    do("POST", f"/admin/users/{user_id}/firm", {"firm_id": None})


@app.command()
def limits(
    firm_id: FirmId,
    changes: Annotated[list[str] | None, typer.Argument(help="NAME=VALUE ..., without a value: the default")] = None,
) -> None:
    """Show a firm's limits, or change them: outcry admin firm limits 1 credit=250000.00 open_orders=500."""
    path = f"/admin/firms/{firm_id}/limits"
    if not changes:
        do("GET", path, None)
    do("POST", path, {name: value or None for name, _, value in (change.partition("=") for change in changes or ())})


@app.command()
def block(firm_id: FirmId, lift: Annotated[bool, typer.Option("--lift", help="let it in again")] = False) -> None:
    """The kill switch: cancel all orders of a firm's accounts and refuse new ones."""
    do("POST", f"/admin/firms/{firm_id}/block", {"blocked": not lift})


@app.command()
def restrict(
    firm_id: FirmId,
    symbols: Annotated[list[str] | None, typer.Argument(help="the whole list; none lifts all")] = None,
) -> None:
    """Set the symbols that a firm's accounts may not trade."""
    do("POST", f"/admin/firms/{firm_id}/restrictions", {"symbols": symbols or []})
