"""What administrators set for a symbol: its fees and its price band."""

import msgspec

from shared.contracts.money import Money

FEE_MAX_PPM = 100_000
"""A tenth of the value."""

FEE_RULE = (
    f"A taker's fee is 0 to {FEE_MAX_PPM} ppm, a maker's at most that; a maker's rebate is at most the taker's fee."
)
"""The exchange pays rebates out of the fees of the same trade, and never out of its own pocket."""


class BookTerms(msgspec.Struct, frozen=True, array_like=True):
    """What administrators set for a symbol: its price band, and its fees in millionths."""

    band: Money = 0
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0

    @property
    def fees(self) -> tuple[int, int]:
        return self.maker_fee_ppm, self.taker_fee_ppm

    @property
    def valid(self) -> bool:
        """Whether FEE_RULE holds. The band is the book's to judge."""
        maker, taker = self.fees
        return 0 <= taker <= FEE_MAX_PPM and -taker <= maker <= FEE_MAX_PPM

    @property
    def held_fee_ppm(self) -> int:
        """The fee that a buy must hold for, whichever of the two it will pay."""
        return max(self.maker_fee_ppm, self.taker_fee_ppm, 0)


NO_TERMS = BookTerms()
