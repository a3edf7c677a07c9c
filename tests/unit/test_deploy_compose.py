"""`deploy/compose.yaml` and what lies beside it agree with the specification, with each other and with the code."""

import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema  # type: ignore[import-untyped]
from pydantic_settings import BaseSettings

from outcry import catalogue, credentials, deployment
from outcry.auditor import AuditorSettings
from outcry.initialise import InitSettings
from outcry.settings import Settings
from shared.contracts.operations import AUDITOR, ENGINE, FIX, GATEWAY, NOTIFICATION
from shared.settings import DEFAULT_PORTS
from tests.deployed import COMPOSE, DEPLOY, SERVICES, TRACING_VARIABLES, interpolated, port_of, settings_of

TRACE_BACKENDS = ("badger", "elasticsearch", "cassandra", "clickhouse", "jaegerlite", "secure")
RETENTION_DAYS = 7


def of_profile(profile: str) -> dict[str, Any]:
    """What runs with one profile."""
    return {n: s for n, s in SERVICES.items() if not s.get("profiles") or profile in s["profiles"]}


def merged(*files: str) -> dict[str, Any]:
    """Jaeger's settings from several files, as it merges them: mappings by key, all else replaced."""

    def merge(into: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
        both = {k: merge(into[k], v) for k, v in more.items() if isinstance(v, dict) and isinstance(into.get(k), dict)}
        return into | more | both

    found: dict[str, Any] = {}
    for file in files:
        found = merge(found, yaml.safe_load((DEPLOY / "jaeger" / Path(file).name).read_text()))
    return found


def jaeger_settings(service: str) -> dict[str, Any]:
    """The settings that a Jaeger of compose is started with."""
    return merged(*[argument for argument in SERVICES[service]["command"] if argument != "--config"])


def test_compose_keeps_to_the_specification() -> None:
    """The file is valid by the schema of the compose specification."""
    jsonschema.validate(COMPOSE, get_builtin_schema("vendor.compose-spec"))


def test_every_service_runs_as_the_code_wants_it() -> None:
    """Nine services, the command of each its module, its health check on its own port, its secrets its own file."""
    for name, port in DEFAULT_PORTS.items():
        service = SERVICES[name]
        module = service["command"][-1]
        assert service["command"] == ["python", "-m", f"services.{catalogue.snake(name)}"]
        assert importlib.util.find_spec(f"{module}.__main__") is not None
        assert port_of(name) == port
        assert [file["path"] for file in service["env_file"]] == [f"secrets/{name}.env"]
    assert port_of(AUDITOR) == AuditorSettings.model_fields["port"].default


def test_every_service_knows_the_others_addresses() -> None:
    """The address of each service is that of its container and its port; the engine's is that of both engines."""
    for name, port in DEFAULT_PORTS.items():
        hosts = [ENGINE, f"{ENGINE}-standby"] if name == ENGINE else [name]
        wanted = ",".join(f"http://{host}:{port}" for host in hosts)
        for service in (*DEFAULT_PORTS, AUDITOR):
            assert SERVICES[service]["environment"][f"{catalogue.snake(name).upper()}_URL"] == wanted


def test_no_variable_is_misspelt(tmp_path: Path) -> None:
    """Each variable that a process is given, openly or in its file of secrets, is one that it reads."""
    tracing = "".join(path.read_text() for path in (DEPLOY.parent / "shared" / "tracing").glob("*.py"))
    for name in TRACING_VARIABLES:
        assert name in tracing or name.removeprefix("OTEL_EXPORTER_OTLP_") in tracing, name
    secret = deployment.environments(Settings(), credentials.load_or_create(tmp_path, catalogue.SERVICES))
    for name in (*DEFAULT_PORTS, FIX, AUDITOR, "init"):
        kinds: dict[str, type[BaseSettings]] = {AUDITOR: AuditorSettings, "init": InitSettings}
        kind = kinds.get(name) or settings_of(name)
        known = {field.upper() for field in kind.model_fields} | TRACING_VARIABLES
        given = set(SERVICES[name].get("environment", {})) | set(secret[name])
        assert given <= known, f"{name} is told {given - known}"


def test_secrets_are_one_file_per_process(tmp_path: Path) -> None:
    """`outcry secrets` writes just the files that compose reads, private, without quotes, the same again each time."""
    made = deployment.write_secrets(Settings(), tmp_path)
    wanted = {Path(file["path"]).stem for service in SERVICES.values() for file in service.get("env_file", [])}
    assert set(made) == wanted - {"traces-door"}  # a person's own password
    first = {name: (tmp_path / f"{name}.env").read_text() for name in made}
    assert deployment.write_secrets(Settings(), tmp_path) == made
    assert {name: (tmp_path / f"{name}.env").read_text() for name in made} == first
    assert all((tmp_path / f"{name}.env").stat().st_mode & 0o777 == 0o600 for name in made)
    passwords = credentials.load_or_create(tmp_path, catalogue.SERVICES).postgres_roles
    for name, text in first.items():
        foreign = [other for other, password in passwords.items() if password in text and other != name]
        assert not foreign or name == "init", f"{name} is told the password of {foreign}"


def test_the_guide_hands_files_to_processes_as_they_are(tmp_path: Path) -> None:
    """What docs/production.md says to start processes with gives them each variable of their file, spaces and all."""
    guide = (DEPLOY.parent / "docs" / "production.md").read_text()
    (function,) = re.findall(r"^run\(\) .*$", guide, re.MULTILINE)
    tell = "import json, os; print(json.dumps(dict(os.environ)))"
    for name in deployment.write_secrets(Settings(), tmp_path):
        file = tmp_path / f"{name}.env"
        script = f"{function}\nrun {shlex.quote(str(file))} {shlex.quote(sys.executable)} -c {shlex.quote(tell)}"
        told = json.loads(subprocess.run(["bash", "-c", script], check=True, capture_output=True).stdout)
        wanted = dict(line.split("=", 1) for line in file.read_text().splitlines())
        assert wanted.items() <= told.items(), name


def test_managed_servers_need_no_files_of_their_own(tmp_path: Path) -> None:
    """With DATABASE_URL and REDIS_URL all lead there, and there are no files for servers of compose."""
    settings = Settings.model_validate(
        {"database_url": "postgresql://dba:pw@db.example:5432/x", "redis_url": "rediss://u:p@cache.example:6380/0"}
    )
    files = deployment.environments(settings, credentials.load_or_create(tmp_path, catalogue.SERVICES))
    assert {"postgres", "valkey"}.isdisjoint(files)
    assert files[GATEWAY]["REDIS_URL"] == "rediss://u:p@cache.example:6380/0"
    assert "@db.example:5432/x" in files[GATEWAY]["DATABASE_URL"]
    assert files["init"]["DATABASE_URL"] == "postgresql://dba:pw@db.example:5432/x"


@pytest.mark.parametrize("profile", TRACE_BACKENDS)
def test_one_variable_chooses_where_traces_go(profile: str) -> None:
    """With each profile one part is `jaeger` to all others, whose ports no other part of that profile publishes."""
    running = of_profile(profile)
    known_as = [
        name
        for name, service in running.items()
        if isinstance(service.get("networks"), dict)
        and "jaeger" in (service["networks"].get("exchange") or {}).get("aliases", [])
    ]
    assert len(known_as) == 1
    assert any("jaeger" in name for name in known_as)  # as `docker ps | grep jaeger` looks for it
    published = [interpolated(port, {}) for service in running.values() for port in service.get("ports", [])]
    assert len(published) == len({port.split(":")[1] for port in published})
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert any(port.endswith(":16686:16686") for port in published)


@pytest.mark.parametrize("profile", TRACE_BACKENDS)
def test_jaeger_listens_where_spans_are_sent(profile: str) -> None:
    """Jaeger's receivers and pages are on the ports that the services, Grafana and the guide know it by."""
    if profile == "jaegerlite":
        return
    (name,) = [n for n in of_profile(profile) if n.startswith("jaeger")]
    settings = jaeger_settings(name)
    protocols = settings["receivers"]["otlp"]["protocols"]
    assert protocols["grpc"]["endpoint"] == "0.0.0.0:4317"
    assert protocols["http"]["endpoint"] == "0.0.0.0:4318"
    assert settings["receivers"]["jaeger"]["protocols"]["thrift_compact"]["endpoint"] == "0.0.0.0:6831"
    assert settings["extensions"]["jaeger_query"]["http"]["endpoint"] == "0.0.0.0:16686"
    assert set(settings["extensions"]) == set(settings["service"]["extensions"])
    backends = settings["extensions"]["jaeger_storage"]["backends"]
    assert settings["extensions"]["jaeger_query"]["storage"]["traces"] in backends
    assert settings["exporters"]["jaeger_storage_exporter"]["trace_storage"] in backends


def test_every_storage_keeps_a_week() -> None:
    """Spans are deleted after seven days, whatever keeps them."""
    hours = f"{RETENTION_DAYS * 24}h"
    assert merged("badger.yaml")["extensions"]["jaeger_storage"]["backends"]["main"]["badger"]["ttl"]["spans"] == hours
    cassandra = merged("cassandra.yaml")["extensions"]["jaeger_storage"]["backends"]["main"]["cassandra"]["schema"]
    assert cassandra["trace_ttl"] == hours
    clickhouse = merged("clickhouse.yaml")["extensions"]["jaeger_storage"]["backends"]["main"]["clickhouse"]
    assert clickhouse["ttl"] == hours
    cleaner = SERVICES["elasticsearch-retention"]
    elastic = merged("elasticsearch.yaml")["extensions"]["jaeger_storage"]["backends"]["main"]["elasticsearch"]
    assert f"es-index-cleaner {RETENTION_DAYS} {elastic['server_urls'][0]}" in cleaner["entrypoint"][-1]
    assert cleaner["environment"]["INDEX_PREFIX"] == elastic["indices"]["index_prefix"]
    from jaegerlite.settings import Settings as JaegerliteSettings

    assert JaegerliteSettings.model_fields["retention_hours"].default == RETENTION_DAYS * 24


def test_secure_means_tls_and_a_password() -> None:
    """With the profile `secure` spans come in by TLS alone, and people reach the pages by TLS and a password."""
    settings = jaeger_settings("jaeger-secure")
    assert settings["service"]["pipelines"]["traces"]["receivers"] == ["otlp"]
    assert all("tls" in protocol for protocol in settings["receivers"]["otlp"]["protocols"].values())
    running = of_profile("secure")
    assert not running["jaeger-secure"]["ports"]
    assert "front" not in running["jaeger-secure"]["networks"]
    caddy = (DEPLOY / "caddy" / "Caddyfile").read_text()
    assert caddy.index("basic_auth") < caddy.index("reverse_proxy jaeger:16686")
    chosen = dict(
        line.split("=", 1) for line in (DEPLOY / "secure.env").read_text().splitlines() if not line.startswith("#")
    )
    assert chosen["OTEL_EXPORTER_OTLP_ENDPOINT"].startswith("https://jaeger:4318")
    told = interpolated(SERVICES[GATEWAY]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"], chosen)
    assert told == chosen["OTEL_EXPORTER_OTLP_ENDPOINT"]


def test_only_the_gateway_and_what_people_look_at_can_be_reached() -> None:
    """The network of the services has no way out or in; the gateway, deliveries and the pages stand in another, too."""
    assert COMPOSE["networks"]["exchange"]["internal"] is True
    in_front = {name for name, service in SERVICES.items() if "front" in service.get("networks", [])}
    assert in_front & set(DEFAULT_PORTS) == {GATEWAY, NOTIFICATION}
    assert not {"postgres", "valkey"} & in_front
    published = {name for name, service in SERVICES.items() if service.get("ports")}
    assert published & set(DEFAULT_PORTS) == {GATEWAY}


def test_our_containers_can_do_no_more_than_they_must() -> None:
    """No root, no capability, nothing to write to but /tmp: in each container of our own image."""
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert "USER 10001:10001" in dockerfile.split("FROM")[-1]
    for name in (*DEFAULT_PORTS, FIX, AUDITOR, "init", "jaegerlite"):
        service = SERVICES[name]
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"] is True, name
        assert "user" not in service, name


def test_fix_is_a_profile_of_its_own() -> None:
    """It runs where it is asked for, beside any keeper of traces, with its sessions on a volume."""
    assert all(FIX not in of_profile(profile) for profile in TRACE_BACKENDS)
    service, settings = SERVICES[FIX], settings_of(FIX)
    assert service["profiles"] == ["fix"]
    assert service["command"] == ["python", "-m", f"services.{catalogue.snake(FIX)}"]
    assert port_of(FIX) == settings.model_fields["port"].default
    fix_port = settings.model_fields["fix_port"].default
    assert [interpolated(port, {}) for port in service["ports"]] == [f"127.0.0.1:{fix_port}:{fix_port}"]
    volumes = dict(volume.split(":")[:2] for volume in service["volumes"] if volume[0] != "$")
    assert service["environment"]["FIX_STORE"].startswith(volumes["fix"] + "/")
    assert "fix" in COMPOSE["volumes"]
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    (found,) = [job["dns_sd_configs"][0] for job in scraped if job["job_name"] == FIX]
    assert (found["names"], found["port"]) == ([FIX], port_of(FIX))


def test_sampling_is_told_by_file() -> None:
    """The file of sampling strategies that Jaeger is pointed at is there and says what to do by default."""
    path = jaeger_settings("jaeger")["extensions"]["remote_sampling"]["file"]["path"]
    strategies = json.loads((DEPLOY / "jaeger" / Path(path).name).read_text())
    assert strategies["default_strategy"]["type"] in ("probabilistic", "ratelimiting")
