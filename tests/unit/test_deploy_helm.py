"""`deploy/helm`, rendered by Helm itself: right by Kubernetes' schemas, and by what the services may ask each other."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

import shared.contracts
from outcry import catalogue, credentials, deployment
from outcry.auditor import AuditorSettings
from outcry.settings import Settings
from services.matching_engine.settings import EngineSettings
from shared.contracts.operations import AUDITOR, ENGINE, FIX, GATEWAY, NOTIFICATION, USERS, Operation
from shared.settings import DEFAULT_PORTS
from tests.deployed import DEPLOY, TRACING_VARIABLES, settings_of

helm = pytest.importorskip("helm_python", reason="no Helm for this kind of machine")

CHART = DEPLOY / "helm"
MANAGED = {"postgres": {"enabled": False}, "valkey": {"enabled": False}, "tracing": {"host": "jaeger.example"}}
PEERS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "front"}}}]
VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "managed": MANAGED,
    "open": {"ingress": {"enabled": True, "tlsSecret": "cert", "className": "nginx"}},
    "one engine": {"services": {ENGINE: {"engines": 1}, GATEWAY: {"stateless": None}}},
    "fix": {"fix": {"enabled": True}, "network": {"gatewayFrom": PEERS, "fixFrom": PEERS}},
    "shards": {"services": {ENGINE: {"shards": ["AAPL,MSFT", "*"]}}},
}

Object = dict[str, Any]


def rendered(values: Mapping[str, Any]) -> list[Object]:
    """All objects of the chart with these values."""
    with helm.Chart.load(CHART) as chart:
        files = chart.render(dict(values), name="outcry", namespace="exchange")
    return [found for text in files.values() for found in yaml.safe_load_all(text) if found]


@pytest.fixture(scope="module")
def objects() -> list[Object]:
    """The chart's objects with its own values."""
    return rendered({})


def of_kind(objects: list[Object], *kinds: str) -> dict[str, Object]:
    """The objects of some kinds, by name."""
    return {found["metadata"]["name"]: found for found in objects if found["kind"] in kinds}


def workloads(objects: list[Object]) -> dict[str, Object]:
    """Whatever makes pods, by name."""
    return of_kind(objects, "Deployment", "StatefulSet", "Job")


def container(workload: Object) -> Object:
    """The one container of a workload's pods."""
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    made: Object = found
    return made


def operations() -> Iterator[Operation[Any, Any]]:
    """Every operation that the contracts know."""
    for module in pkgutil.iter_modules(shared.contracts.__path__):
        for value in vars(importlib.import_module(f"shared.contracts.{module.name}")).values():
            if isinstance(value, Operation):
                yield value


def callers() -> dict[str, set[str]]:
    """Service -> who may call any of its operations."""
    found: dict[str, set[str]] = {name: set() for name in DEFAULT_PORTS}
    for operation in operations():
        found[operation.service] |= operation.callers
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_kubernetes_would_take_every_object(variant: str) -> None:
    """Every object is valid, strictly, by the schemas of Kubernetes, with the chart's values and with others."""
    found = rendered(VARIANTS[variant])
    for one in found:
        kubernetes_validate.validate(one, "1.37", strict=True)
    names = [(one["kind"], one["metadata"]["name"]) for one in found]
    assert len(names) == len(set(names))
    assert set(DEFAULT_PORTS) - {ENGINE} | {AUDITOR, "engine-0"} <= set(workloads(found))


def test_helm_finds_no_fault() -> None:
    """`helm lint` has nothing to say but that there is no icon; a misspelt value is refused."""
    report = helm.lint(CHART)
    assert not report["errors"]
    assert {message["error"] for message in report["messages"]} <= {"icon is recommended"}
    with helm.Chart.load(CHART) as chart, pytest.raises(helm.HelmError, match="replica"):
        chart.validate_schema({"services": {GATEWAY: {"replica": 3}}})


def test_only_those_who_may_call_a_service_reach_it(objects: list[Object]) -> None:
    """Who gets through to a service is exactly who its operations name, and Prometheus; each may go only to those."""
    policies = of_kind(objects, "NetworkPolicy")
    for service, allowed in callers().items():
        rules = policies[f"to-{service}"]["spec"]["ingress"]
        peers = [peer for rule in rules for peer in rule.get("from", [])]
        assert {p["podSelector"]["matchLabels"]["app"] for p in peers if "podSelector" in p} == allowed, service
        assert len([peer for peer in peers if "namespaceSelector" in peer]) == 1
        assert all(port["port"] == DEFAULT_PORTS[service] for rule in rules for port in rule["ports"])
        open_to_all = [rule for rule in rules if "from" not in rule]
        assert bool(open_to_all) == (service == GATEWAY)
    for caller in (*DEFAULT_PORTS, AUDITOR):
        policy = policies[AUDITOR if caller == AUDITOR else f"from-{caller}"]
        peers = [peer for rule in policy["spec"]["egress"] for peer in rule.get("to", [])]
        goes_to = {peer["podSelector"]["matchLabels"]["app"] for peer in peers if "podSelector" in peer}
        wanted = {service for service, allowed in callers().items() if caller in allowed}
        assert goes_to == wanted | {"postgres", "valkey", "jaegerlite"}, caller
        assert any("ipBlock" in peer for peer in peers) == (caller == NOTIFICATION)
    everyone = policies["nobody"]["spec"]
    assert everyone["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in everyone
    labels = everyone["podSelector"]["matchLabels"].items()
    for workload in workloads(objects).values():
        assert labels <= workload["spec"]["template"]["metadata"]["labels"].items()


def test_ports_and_addresses_are_those_of_the_code(objects: list[Object]) -> None:
    """Each service listens on its own port, and all are told where the others are; engines are told apart."""
    told = of_kind(objects, "ConfigMap")["outcry"]["data"]
    found, reached = workloads(objects), of_kind(objects, "Service")
    for service, port in DEFAULT_PORTS.items():
        process = container(found["engine-0" if service == ENGINE else service])
        assert process["ports"] == [{"name": "http", "containerPort": port}]
        assert reached[service]["spec"]["ports"][0]["port"] == port
        hosts = [f"engine-0-0.{ENGINE}", f"engine-0-1.{ENGINE}"] if service == ENGINE else [service]
        urls = ",".join(f"http://{host}:{port}" for host in hosts)
        assert told[f"{catalogue.snake(service).upper()}_URL"] == urls
        assert process["command"] == ["python", "-m", f"services.{catalogue.snake(service)}"]
    assert container(found[AUDITOR])["ports"][0]["containerPort"] == AuditorSettings.model_fields["port"].default


def test_no_variable_is_misspelt(objects: list[Object]) -> None:
    """Each variable in the shared addresses and of a container is a setting of some service or of tracing."""
    told = set(of_kind(objects, "ConfigMap")["outcry"]["data"])
    known = {field.upper() for service in DEFAULT_PORTS for field in settings_of(service).model_fields}
    assert told <= known | TRACING_VARIABLES
    for service in DEFAULT_PORTS:
        process = container(workloads(objects)["engine-0" if service == ENGINE else service])
        own = {entry["name"] for entry in process.get("env", [])}
        assert own <= {field.upper() for field in settings_of(service).model_fields}
    audited = {entry["name"] for entry in container(workloads(objects)[AUDITOR])["env"]}
    assert audited <= {field.upper() for field in AuditorSettings.model_fields}


def test_secrets_come_from_outside(objects: list[Object], tmp_path: Any) -> None:
    """The chart makes no secret; each process reads the one made from its own file of `outcry secrets`."""
    assert not of_kind(objects, "Secret")
    made = deployment.environments(Settings(), credentials.load_or_create(tmp_path, catalogue.SERVICES))
    read = {
        source["secretRef"]["name"]: name
        for name, workload in workloads(objects).items()
        for source in container(workload).get("envFrom", [])
        if "secretRef" in source
    }
    assert {name.removeprefix("outcry-") for name in read} == set(made) - {FIX}  # which is not there unless asked for


def test_pods_ask_for_what_they_need_and_can_do_no_more(objects: list[Object]) -> None:
    """Every container has requests, limits and no rights; every server has probes; nobody is root or has a token."""
    for name, workload in workloads(objects).items():
        pod = workload["spec"]["template"]["spec"]
        one = container(workload)
        assert set(one["resources"]) == {"requests", "limits"}, name
        assert set(one["resources"]["limits"]) == {"cpu", "memory"}, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        assert one["securityContext"]["allowPrivilegeEscalation"] is False, name
        assert pod["automountServiceAccountToken"] is False, name
        if workload["kind"] != "Job":
            assert {"readinessProbe", "livenessProbe"} <= set(one), name


def test_what_runs_more_than_once_may_be_moved_one_by_one(objects: list[Object]) -> None:
    """Gateways, users and engines have a disruption budget; stateless services grow with their load."""
    budgets, scalers = of_kind(objects, "PodDisruptionBudget"), of_kind(objects, "HorizontalPodAutoscaler")
    assert set(budgets) == {GATEWAY, USERS, "engine-0"}
    assert set(scalers) == {GATEWAY, USERS}
    for name, scaler in scalers.items():
        assert scaler["spec"]["scaleTargetRef"]["kind"] == workloads(objects)[name]["kind"]
        assert "replicas" not in workloads(objects)[name]["spec"]
    assert workloads(objects)["engine-0"]["kind"] == "StatefulSet"
    assert workloads(objects)["engine-0"]["spec"]["replicas"] == 2


def test_each_shard_has_engines_of_its_own() -> None:
    """Symbols spread over shards are traded by as many sets of engines; callers and engines are told the same."""
    found = rendered(VARIANTS["shards"])
    told = of_kind(found, "ConfigMap")["outcry"]["data"]
    settings = EngineSettings.model_validate(
        {name.lower(): told[name] for name in ("MATCHING_ENGINE_SHARDS", "MATCHING_ENGINE_URL")} | {"shard": 1}
    )
    assert settings.shards.of("MSFT") == 0
    for shard, urls in enumerate(settings.url_of(ENGINE).split(";")):
        engines = workloads(found)[f"engine-{shard}"]
        (number,) = [entry["value"] for entry in container(engines)["env"] if entry["name"] == "SHARD"]
        assert number == str(shard)
        names = [f"engine-{shard}-{replica}.{ENGINE}" for replica in range(engines["spec"]["replicas"])]
        assert urls == ",".join(f"http://{name}:{DEFAULT_PORTS[ENGINE]}" for name in names)
        labels = engines["spec"]["template"]["metadata"]["labels"]
        assert (labels["app"], labels["shard"]) == (ENGINE, str(shard))
        assert engines["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_gateways_have_numbers_of_their_own(objects: list[Object]) -> None:
    """Each gateway is told its pod's number as GATEWAY_NODE, so that no two make the same order id."""
    (node,) = [entry for entry in container(workloads(objects)[GATEWAY])["env"] if entry["name"] == "GATEWAY_NODE"]
    assert node["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['apps.kubernetes.io/pod-index']"
    assert workloads(objects)[GATEWAY]["kind"] == "StatefulSet"


def test_managed_servers_take_the_place_of_the_charts_own() -> None:
    """With managed PostgreSQL, Valkey and Jaeger the chart brings none, and rooms are made before anything else."""
    found = workloads(rendered(MANAGED))
    assert not {"postgres", "valkey", "jaegerlite"} & set(found)
    (job,) = [workload for workload in found.values() if workload["kind"] == "Job"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    # Before an installation nothing of the chart is there that it could stand on.
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]
    assert [set(source) for source in container(job)["envFrom"]] == [{"secretRef"}]


def test_fix_is_there_where_it_is_asked_for(objects: list[Object]) -> None:
    """One pod with its sessions on a volume; it goes to the gateway, Valkey and the traces, and they let it in."""
    assert FIX not in workloads(objects)
    found = rendered(VARIANTS["fix"])
    workload, settings = workloads(found)[FIX], settings_of(FIX)
    assert (workload["kind"], workload["spec"]["replicas"]) == ("StatefulSet", 1)
    process, (claim,) = container(workload), workload["spec"]["volumeClaimTemplates"]
    ports = {port["name"]: port["containerPort"] for port in process["ports"]}
    assert ports == {"http": settings.model_fields["port"].default, "fix": settings.model_fields["fix_port"].default}
    assert of_kind(found, "Service")[FIX]["spec"]["ports"][0]["port"] == ports["fix"]
    assert process["command"] == ["python", "-m", f"services.{catalogue.snake(FIX)}"]
    assert {"secretRef": {"name": f"outcry-{FIX}"}} in process["envFrom"]
    told = {entry["name"]: entry["value"] for entry in process["env"]}
    (mounted,) = [mount["mountPath"] for mount in process["volumeMounts"] if mount["name"] == claim["metadata"]["name"]]
    assert told["FIX_STORE"].startswith(mounted + "/")
    assert set(told) <= {field.upper() for field in settings.model_fields}
    policies = of_kind(found, "NetworkPolicy")
    peers = [peer for rule in policies[FIX]["spec"]["egress"] for peer in rule["to"]]
    assert {peer["podSelector"]["matchLabels"]["app"] for peer in peers} == {GATEWAY, "valkey", "jaegerlite"}
    for other in (GATEWAY, "valkey", "jaegerlite"):
        into = [peer for rule in policies[f"to-{other}"]["spec"]["ingress"] for peer in rule.get("from", [])]
        assert {"podSelector": {"matchLabels": {"app": FIX}}} in into, other
    assert {"podSelector": {"matchLabels": {"app": FIX}}} not in [
        peer for rule in policies["to-postgres"]["spec"]["ingress"] for peer in rule["from"]
    ]
    (way_in,) = [rule for rule in policies[FIX]["spec"]["ingress"] if rule["ports"][0]["port"] == ports["fix"]]
    assert way_in["from"] == PEERS
