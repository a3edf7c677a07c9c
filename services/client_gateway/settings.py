"""The gateway's own settings: limits towards clients, who may call from a browser, how the sweeper works."""

from pathlib import Path

from pydantic import Field

from shared.ids import NODE_MAX
from shared.settings import ServiceSettings

BUILT_PAGES = Path(__file__).parents[2] / "web" / "dist"


class GatewaySettings(ServiceSettings):
    """Each is the environment variable of the same name in capitals."""

    gateway_node: int = Field(0, ge=0, le=NODE_MAX, description="differs between gateways that run at the same time")
    user_requests_per_s: float = Field(1000, gt=0)
    user_requests_burst: int = Field(2000, gt=0)
    address_requests_per_s: float = Field(10_000, gt=0)
    address_requests_burst: int = Field(20_000, gt=0)
    login_attempts_per_minute: float = Field(30, gt=0, description="per user name that is tried, failed or not")
    login_attempts_burst: int = Field(10, gt=0)
    orders_in_flight_max: int = Field(600, gt=0, description="beyond this the gateway answers 503 at once")
    body_bytes_max: int = Field(256 * 1024, gt=0)
    socket_waiting_bytes_max: int = Field(
        1024 * 1024, gt=0, description="what may wait for one reader of /ws before it is dropped as too slow"
    )
    cors_origins: list[str] = Field(
        [], description='origins a browser may call from, as JSON: ["https://desk.example"]'
    )
    market_protection_percent: int = Field(
        5, ge=1, le=50, description="a market order trades up to this far from the quote"
    )
    sweep_every_s: float = Field(5, gt=0)
    sweep_after_s: float = Field(10, ge=6, description="how old an order must be before it is finished or undone")
    trace_explorer_url: str = Field("http://localhost:16686", description="where a browser finds the trace explorer")
    trace_backend_url: str = Field("http://127.0.0.1:16686", description="where the gateway reads traces: Jaeger's API")
    web_dir: Path = Field(BUILT_PAGES, description="the built pages; without them / says how to build them")
