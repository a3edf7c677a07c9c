"""`deploy/grafana`: the dashboards are those that their source makes, and everything in them leads somewhere."""

import json
from typing import Any

import promql_parser
import pytest
import yaml

from scripts import dashboards
from scripts.panels import BOARDS, RATE
from tests.deployed import ADDRESS, DEPLOY, SERVICES

PROVISIONED = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/outcry.yaml").read_text())["datasources"]


@pytest.mark.parametrize("board", BOARDS, ids=[board.uid for board in BOARDS])
def test_the_file_is_what_its_source_makes(board: Any) -> None:
    """The checked-in file of a dashboard is exactly what `python -m scripts.dashboards` writes now."""
    assert (dashboards.FOLDER / f"{board.uid}.json").read_text() == dashboards.rendered(board)


def test_there_are_no_other_files() -> None:
    """No file stays of a dashboard that its source no longer knows."""
    assert {path.stem for path in dashboards.FOLDER.iterdir()} == {board.uid for board in BOARDS}


@pytest.mark.parametrize("board", BOARDS, ids=[board.uid for board in BOARDS])
def test_every_panel_asks_something_and_leads_to_traces(board: Any) -> None:
    """Each query is PromQL, histograms ask for exemplars, and each panel has a link to traces."""
    made = json.loads(dashboards.rendered(board))
    known = {source["uid"] for source in PROVISIONED}
    assert len({panel["title"] for panel in made["panels"]}) == len(board.panels)
    for panel in made["panels"]:
        assert panel["targets"]
        for target in panel["targets"]:
            promql_parser.parse(target["expr"].replace(RATE, "1m"))
            assert target["exemplar"] == ("_bucket" in target["expr"])
            assert target["datasource"]["uid"] in known
        assert any(link["url"].startswith("${explorer}/search") for link in panel["links"])
    (variable,) = made["templating"]["list"]
    assert variable["name"] == "explorer"


def test_exemplars_open_in_the_trace_data_source() -> None:
    """What a point of Prometheus names is looked up in the data source of traces, by the label that services write."""
    sources = {source["uid"]: source for source in PROVISIONED}
    (leads,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert leads["name"] == "trace_id"
    assert sources[leads["datasourceUid"]]["type"] == "jaeger"
    assert {source["type"] for source in PROVISIONED} == {"jaeger", "prometheus"}


def test_data_sources_and_files_are_where_compose_puts_them() -> None:
    """Each data source leads to a container of compose, and Grafana finds its files where they are mounted."""
    for source in PROVISIONED:
        found = ADDRESS.search(source["url"])
        assert found is not None
        assert found[1] in SERVICES
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/outcry.yaml").read_text())["providers"][0]
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
