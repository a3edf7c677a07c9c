"""Makes Grafana's dashboards: `python -m scripts.dashboards` writes deploy/grafana/dashboards from `scripts/panels.py`.

The files are checked in, so that a deployment needs neither this nor its library.
"""

import json
import sys
from pathlib import Path
from urllib.parse import quote

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, TooltipDisplayMode, VisibilityMode
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, DataSourceRef
from grafana_foundation_sdk.models.dashboard import VariableOption as Option

from scripts.panels import BOARDS, Board, Panel

FOLDER = Path(__file__).parent.parent / "deploy" / "grafana" / "dashboards"
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="prometheus")
EXPLORER = "http://localhost:16686"
WIDTH, HEIGHT = 12, 8


def rendered(board: Board) -> str:
    """A dashboard as the text of its file."""
    builder = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["outcry"])
        .timezone("browser")
        .refresh("10s")
        .time("now-30m", "now")
        .readonly()
        .with_variable(
            dashboard.TextBoxVariable("explorer")
            .label("Trace explorer")
            .default_value(EXPLORER)
            .current(Option(text=EXPLORER, value=EXPLORER))
        )
    )
    others = dashboard.DashboardLink("Outcry").type(DashboardLinkType.DASHBOARDS).tags(["outcry"]).keep_time(True)
    builder = builder.link(others)
    for panel in board.panels:
        builder = builder.with_panel(_panel(panel))
    return json.dumps(json.loads(JSONEncoder(sort_keys=True, indent=2).encode(builder.build())), indent=1) + "\n"


def _panel(panel: Panel) -> timeseries.Panel:
    search = f"${{explorer}}/search?{quote(panel.search, safe='=&')}" if panel.search else "${explorer}/search"
    builder = (
        timeseries.Panel()
        .title(panel.title)
        .description(_description(panel))
        .datasource(PROMETHEUS)
        .unit(panel.unit)
        .span(WIDTH)
        .height(HEIGHT)
        .axis_soft_min(0)
        .fill_opacity(8)
        .show_points(VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .links([dashboard.DashboardLink("Traces").type(DashboardLinkType.LINK).url(search).target_blank(True)])
    )
    for number, query in enumerate(panel.queries):
        builder = builder.with_target(
            prometheus.Dataquery()
            .expr(query.expr)
            .legend_format(query.legend)
            .ref_id(chr(ord("A") + number))
            .range()
            .exemplar("_bucket" in query.expr)
            .datasource(PROMETHEUS)
        )
    return builder


def _description(panel: Panel) -> str:
    return " ".join(filter(None, (panel.description, "Only with jaegerlite." if panel.jaegerlite else "")))


def main() -> int:
    """Writes all files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"{board.uid}.json").write_text(rendered(board))
    return 0


if __name__ == "__main__":
    sys.exit(main())
