"""What the wallet-service is told from outside, beside what every service is told."""

from pydantic import Field

from shared.settings import ServiceSettings


class WalletSettings(ServiceSettings):
    """Settings of the wallet-service.

    A hold need not wait for the disk where all services share one PostgreSQL server: its order is written after it,
    into the same write-ahead log, and an order is acknowledged only once that log is on disk up to there. A hold that a
    crash of the server takes away belongs to an order that nobody was told of.
    """

    holds_kept_s: int = Field(86_400, ge=3600, description="how long the hold of an order that is over is remembered")
    ledger_checked_every_s: float = Field(60, gt=0, description="pause between two sums over all accounts")
    holds_durable: bool = Field(
        False,
        description="wait for the disk before a hold is answered: needed where services have servers of their own",
    )
