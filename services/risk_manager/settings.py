"""What every account may do unless an administrator says otherwise for it."""

from pydantic import Field

from services.risk_manager.limits import DAILY_VALUE_MAX, ORDER_VALUE_MAX, Limits
from shared.contracts.money import MONEY_SCALE, SHARES_MAX
from shared.settings import ServiceSettings


class RiskSettings(ServiceSettings):
    """The default limits. Amounts of money in whole dollars."""

    order_value_limit_usd: int = Field(1_000_000, ge=0, le=ORDER_VALUE_MAX // MONEY_SCALE)
    order_quantity_limit: int = Field(100_000, ge=0, le=SHARES_MAX)
    position_limit: int = Field(1_000_000, ge=0, le=SHARES_MAX)
    exposure_limit_usd: int = Field(DAILY_VALUE_MAX // MONEY_SCALE, ge=0, le=DAILY_VALUE_MAX // MONEY_SCALE)
    credit_limit_usd: int = Field(DAILY_VALUE_MAX // MONEY_SCALE, ge=0, le=DAILY_VALUE_MAX // MONEY_SCALE)
    daily_value_limit_usd: int = Field(1_000_000_000, ge=0, le=DAILY_VALUE_MAX // MONEY_SCALE)
    price_collar_percent: int = Field(20, ge=0, le=1_000)
    open_orders_limit: int = Field(10_000, ge=0, le=1_000_000)
    orders_per_second_limit: int = Field(1_000, ge=0, le=100_000)
    duplicate_window_ms: int = Field(0, ge=0, description="0: an order may be like the one before")

    def limits(self) -> Limits:
        """The default limits in the exchange's own units."""
        return Limits(
            order_value=self.order_value_limit_usd * MONEY_SCALE,
            order_quantity=self.order_quantity_limit,
            position=self.position_limit,
            exposure=self.exposure_limit_usd * MONEY_SCALE,
            credit=self.credit_limit_usd * MONEY_SCALE,
            daily_value=self.daily_value_limit_usd * MONEY_SCALE,
            price_collar_percent=self.price_collar_percent,
            open_orders=self.open_orders_limit,
            orders_per_second=self.orders_per_second_limit,
            duplicate_window_ms=self.duplicate_window_ms,
        )
