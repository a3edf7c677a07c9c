"""The commands below `outcry admin`: each is one request to the gateway."""

from typing import Annotated

import typer

from outcry import settings as configuration

app = typer.Typer(name="admin", help="What administrators do, recorded and traced.", no_args_is_help=True)

Symbol = Annotated[str, typer.Argument(help="AAPL, ...")]
UserId = Annotated[int, typer.Argument(min=1, help="the number of a user")]


@app.command()
def session(
    symbol: Symbol,
    session: Annotated[str, typer.Argument(help="CONTINUOUS, PRE_OPEN, HALTED, CLOSED, ...")],
    reference_price: Annotated[str, typer.Option(help="dollars, for the next auction and the price band")] = "",
) -> None:
    """Turn a symbol to another session: halt, resume, collect for an auction, close."""
    body: dict[str, object] = {"session": session}
    if reference_price:
        body["reference_price"] = reference_price
    do("POST", f"/admin/symbols/{symbol}/session", body)


@app.command()
def list_symbol(
    symbol: Symbol,
    name: Annotated[str, typer.Argument(help="what it is called")],
    reference_price: Annotated[str, typer.Option(help="dollars; stands in until there is a trade")],
    tick_size: Annotated[str, typer.Option(help="dollars")] = "0.01",
    lot_size: Annotated[int, typer.Option(min=1, help="shares")] = 1,
) -> None:
    """List a symbol: it trades from now on."""
    body = {"symbol": symbol, "name": name, "tick_size": tick_size, "lot_size": lot_size}
    do("POST", "/admin/symbols", {**body, "reference_price": reference_price})


@app.command()
def delist_symbol(symbol: Symbol) -> None:
    """Take a symbol off the list: its orders are cancelled, new ones refused."""
    do("DELETE", f"/admin/symbols/{symbol}", None)


@app.command()
def terms(
    symbol: Symbol,
    maker_fee_ppm: Annotated[int | None, typer.Option(help="millionths; negative: a rebate")] = None,
    taker_fee_ppm: Annotated[int | None, typer.Option(help="millionths")] = None,
    price_band: Annotated[str, typer.Option(help="dollars either side of the reference price, 0: none")] = "",
) -> None:
    """Set a symbol's fees (while its book is empty) and price band."""
    given = {"maker_fee_ppm": maker_fee_ppm, "taker_fee_ppm": taker_fee_ppm, "price_band": price_band or None}
    do("POST", f"/admin/symbols/{symbol}/terms", {name: value for name, value in given.items() if value is not None})


@app.command()
def limits(
    user_id: UserId,
    changes: Annotated[list[str] | None, typer.Argument(help="NAME=VALUE ..., without a value: the default")] = None,
) -> None:
    """Show the risk limits of an account, or change them: outcry admin limits 1001 order_value=250.00 open_orders=5."""
    path = f"/admin/users/{user_id}/limits"
    if not changes:
        do("GET", path, None)
    do("POST", path, {name: value or None for name, _, value in (change.partition("=") for change in changes or ())})


@app.command()
def block(user_id: UserId, lift: Annotated[bool, typer.Option("--lift", help="let it in again")] = False) -> None:
    """The kill switch: cancel all orders of an account and refuse new ones."""
    do("POST", f"/admin/users/{user_id}/block", {"blocked": not lift})


@app.command()
def restrict(
    symbols: Annotated[list[str] | None, typer.Argument(help="the whole list; none lifts all")] = None,
    user_id: Annotated[int, typer.Option("--user", min=1, help="for one account, not for all")] = 0,
) -> None:
    """Set the symbols that nobody, or one account, may trade."""
    path = f"/admin/users/{user_id}/restrictions" if user_id else "/admin/restrictions"
    do("POST", path, {"symbols": symbols or []})


@app.command()
def control_changes(limit: Annotated[int, typer.Option(min=1, max=500)] = 20) -> None:
    """Show who changed which risk control, from what to what, newest first."""
    do("GET", f"/admin/control-changes?limit={limit}", None)


@app.command()
def actions(limit: Annotated[int, typer.Option(min=1, max=500)] = 20) -> None:
    """Show who did what, newest first."""
    do("GET", f"/admin/actions?limit={limit}", None)


def do(method: str, path: str, body: dict[str, object] | None) -> None:
    from outcry import admin

    raise typer.Exit(admin.run(configuration.load(), method, path, body))
