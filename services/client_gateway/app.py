"""The gateway's HTTP face: everything that clients can reach."""

from functools import partial

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from services.client_gateway.account_routes import AccountRoutes
from services.client_gateway.admin_routes import AdminRoutes
from services.client_gateway.admin_user_routes import AdminUserRoutes
from services.client_gateway.amendment import Amendment
from services.client_gateway.api import Api
from services.client_gateway.business_routes import BusinessRoutes
from services.client_gateway.disconnects import Disconnects
from services.client_gateway.event_routes import EventRoutes
from services.client_gateway.exports import Exports
from services.client_gateway.fault_routes import FaultRoutes
from services.client_gateway.instruments import Listing
from services.client_gateway.live import Live
from services.client_gateway.market_routes import MarketRoutes
from services.client_gateway.noise import Noise
from services.client_gateway.notification_routes import NotificationRoutes
from services.client_gateway.order_messages import OrderMessages
from services.client_gateway.order_routes import OrderRoutes
from services.client_gateway.own_messages import OwnMessages
from services.client_gateway.pages import install_pages
from services.client_gateway.placement import Placement
from services.client_gateway.recording import Recording
from services.client_gateway.report_routes import ReportRoutes
from services.client_gateway.risk_admin_routes import RiskAdminRoutes
from services.client_gateway.settings import GatewaySettings
from services.client_gateway.sign_in import Logins
from services.client_gateway.sign_out import SignOut
from services.client_gateway.socket import Sockets
from services.client_gateway.subscriptions import Subscriptions
from services.client_gateway.sweeper import Sweeper
from services.client_gateway.trace_routes import TraceRoutes
from services.client_gateway.wallet_routes import WalletRoutes
from shared.contracts.operations import GATEWAY, SERVICES
from shared.errors import Unavailable
from shared.faults import NOISY_USER
from shared.service import Service
from shared.transport import Transport


def create_app(settings: GatewaySettings) -> FastAPI:
    """The app of one gateway."""
    service = Service(GATEWAY, settings, untraced=("/assets/",))
    app = service.app
    listing = Listing(service.clients, service.redis)
    placement = Placement(service.clients)
    sweeper = Sweeper(service.clients, placement, settings.sweep_every_s, settings.sweep_after_s)
    api = Api(app, service.clients, settings)
    order_routes = OrderRoutes(placement, Amendment(service.clients, placement), listing, api.told, settings)
    order_routes.install(api)
    AccountRoutes(settings).install(api)
    exports = Exports()
    WalletRoutes(listing, exports).install(api)
    NotificationRoutes().install(api)
    MarketRoutes(listing).install(api)
    EventRoutes(service.clients, listing).install(api)
    ReportRoutes(listing, exports).install(api)
    AdminRoutes(listing).install(api)
    AdminUserRoutes(listing).install(api)
    BusinessRoutes(settings).install(api)
    TraceRoutes(settings).install(api)
    FaultRoutes(settings.faults_file).install(api)
    Recording().install(api)
    NOISY_USER.while_on(Noise(service.clients, settings).run)
    live = Live(settings.redis_url.get_secret_value())
    sockets = Sockets(api, settings)
    subscriptions = Subscriptions(service.clients, live, listing)
    subscriptions.install(sockets)
    logins = Logins(api, OwnMessages(service.clients, live))
    logins.install(sockets)
    sign_out = SignOut(service.clients, live, service.valkey, logins)
    RiskAdminRoutes(sign_out.blocked).install(api)
    OrderMessages(api, logins, order_routes).install(sockets)
    disconnects = Disconnects(service.clients, service.redis, logins, api.told, settings.gateway_node)
    disconnects.install(sockets)
    app.add_api_websocket_route("/ws", sockets.serve)
    service.at_start(listing.load)
    service.keep_running(listing.run)
    service.keep_running(sweeper.run)
    service.keep_running(live.run)
    service.keep_running(sign_out.run)
    service.keep_running(sign_out.watch)
    service.keep_running(subscriptions.run)
    service.keep_running(disconnects.run)
    service.keep_running(disconnects.lifelines.beat)
    service.keep_running(disconnects.lifelines.watch)
    for name in SERVICES[:-1]:
        for number, url in enumerate(settings.url_of(name).split(";")):
            service.check(f"{name}-{number}" if number else name, partial(_ready, url))
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["X-Trace-Id", "traceresponse", "X-RateLimit-Remaining", "Retry-After"],
        )
    install_pages(app, settings)
    return app


async def _ready(url: str) -> None:
    """Raises Unavailable unless the service there is ready."""
    transport = Transport(url, {})
    try:
        status, _ = await transport.request("GET", "/ready", timeout_s=2)
    finally:
        transport.close()
    if status != 200:
        raise Unavailable(url, f"it answered {status}")
