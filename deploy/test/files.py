"""The files in deploy/ against the schemas of those who read them, and against each other.

Kubernetes' and Compose's schemas come inside of the packages in requirements.txt: nothing is asked of any network."""

import json
import re
import sys
import tomllib
from pathlib import Path

import compose_spec
import kubernetes_validate
import yaml

DEPLOY = Path(__file__).resolve().parent.parent
# The oldest and the newest Kubernetes that the manifests are for.
KUBERNETES = ["1.25.0", "1.37.0"]
PLACEHOLDERS = {"$__rate_interval": "5m", "$job": "leadsync", "$instance": ".*"}


def kubernetes():
    files = sorted(DEPLOY.glob("kubernetes/**/*.yaml"))
    objects = [(file, each) for file in files for each in yaml.safe_load_all(file.read_text())]
    for file, each in objects:
        for version in KUBERNETES:
            kubernetes_validate.validate(each, version, strict=True)
        assert each["metadata"]["labels"]["app.kubernetes.io/name"] == "leadsync", file
    assert sorted(each["kind"] for _, each in objects) == [
        "ConfigMap", "Deployment", "Job", "PersistentVolumeClaim", "Secret", "Service"]
    print(f"{len(objects)} Kubernetes objects are valid, strictly, for {' and '.join(KUBERNETES)}")
    return {each["kind"]: each for _, each in objects}


def names_fit(objects):
    """What a schema does not know: that a name in one file is the name in another."""
    pod = objects["Deployment"]["spec"]["template"]
    spec = pod["spec"]
    (container,) = spec["containers"]
    volumes = {each["name"]: each for each in spec["volumes"]}
    assert volumes.keys() == {each["name"] for each in container["volumeMounts"]}
    mounts = {each["mountPath"]: volumes[each["name"]] for each in container["volumeMounts"]}
    assert mounts["/etc/leadsync"]["configMap"]["name"] == objects["ConfigMap"]["metadata"]["name"]
    assert mounts["/run/secrets"]["secret"]["secretName"] == objects["Secret"]["metadata"]["name"]
    assert mounts["/var/lib/leadsync"]["persistentVolumeClaim"]["claimName"] == objects["PersistentVolumeClaim"]["metadata"]["name"]
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert objects["Service"]["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    # A single command runs as the daemon does, and is not taken for it by the Service.
    job = objects["Job"]["spec"]["template"]
    (single,) = job["spec"]["containers"]
    for key in ("securityContext", "volumes", "automountServiceAccountToken"):
        assert job["spec"][key] == spec[key], key
    for key in ("image", "securityContext", "volumeMounts"):
        assert single[key] == container[key], key
    assert not objects["Service"]["spec"]["selector"].items() <= job["metadata"]["labels"].items()
    (port,) = container["ports"]
    for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}
    (served,) = objects["Service"]["spec"]["ports"]
    assert served["targetPort"] == port["name"] and port["containerPort"] == 8080


def replicas():
    """The files for several replicas on PostgreSQL."""
    objects = {each["kind"]: each for each in yaml.safe_load_all((DEPLOY / "replicas/kubernetes.yaml").read_text())}
    assert sorted(objects) == ["ConfigMap", "Deployment", "PodDisruptionBudget", "Service"]
    for each in objects.values():
        for version in KUBERNETES:
            kubernetes_validate.validate(each, version, strict=True)
    text = (DEPLOY / "replicas/config/leadsync.toml").read_text()
    assert objects["ConfigMap"]["data"]["leadsync.toml"] == text, "the ConfigMap and replicas/config/leadsync.toml differ"
    store = tomllib.loads(text)["store"]
    assert store["password"] == "file:/run/secrets/postgres"
    deployment = objects["Deployment"]["spec"]
    assert deployment["replicas"] > 1 and deployment["strategy"]["type"] == "RollingUpdate"
    (container,) = deployment["template"]["spec"]["containers"]
    volumes = {each["name"] for each in deployment["template"]["spec"]["volumes"]}
    assert volumes == {each["name"] for each in container["volumeMounts"]}
    for kind in ("PodDisruptionBudget", "Service"):
        selector = objects[kind]["spec"]["selector"]
        assert selector.get("matchLabels", selector).items() <= deployment["template"]["metadata"]["labels"].items()
    file = DEPLOY / "replicas/compose.yaml"
    compose_spec.PyCompose.from_yaml(file.read_text()).validate()
    services = yaml.safe_load(file.read_text())["services"]
    assert store["url"].startswith("postgres://leadsync@postgres:5432/leadsync") and "postgres" in services
    assert services["leadsync"]["deploy"]["replicas"] == deployment["replicas"]
    print("the files for replicas are valid and fit each other")


def configurations(objects):
    """One configuration for all containers; what it names is what the files mount."""
    text = (DEPLOY / "compose/config/leadsync.toml").read_text()
    assert objects["ConfigMap"]["data"]["leadsync.toml"] == text, "the ConfigMap and compose/config/leadsync.toml differ"
    configuration = tomllib.loads(text)
    assert configuration["ops"]["listen"] == "0.0.0.0:8080"
    assert configuration["store"]["url"] == "sqlite:/var/lib/leadsync/leadsync.db"
    for side in ("operate", "salesforce"):
        assert configuration[side]["auth"]["client_secret"] == f"file:/run/secrets/{side}"
        assert side in objects["Secret"]["stringData"]
        for unit in DEPLOY.glob("systemd/*.service"):
            assert f"LoadCredential={side}:/etc/leadsync/secrets/{side}\n" in unit.read_text(), unit
    print("the configuration fits what is mounted")


def compose():
    file = DEPLOY / "compose/compose.yaml"
    specification = compose_spec.PyCompose.from_yaml(file.read_text())
    specification.validate()
    specification.to_spec()
    service = yaml.safe_load(file.read_text())["services"]["leadsync"]
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["user"] == "65532:65532"
    assert all((file.parent / secret["file"]).parent.name == "secrets" for secret in yaml.safe_load(file.read_text())["secrets"].values())
    print("compose.yaml is valid by the Compose specification")


def expressions(folder):
    """Writes the dashboard's expressions as rules, so that promtool can read them."""
    dashboard = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
    asked = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    rules = []
    for number, expression in enumerate(asked):
        for name, value in PLACEHOLDERS.items():
            expression = expression.replace(name, value)
        assert "$" not in expression, expression
        rules.append({"record": f"dashboard:{number}", "expr": expression})
    (folder / "dashboard-rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))

    alerts = (DEPLOY / "grafana/alerts.yaml").read_text()
    tests = "".join(each.read_text() for each in DEPLOY.glob("grafana/*_test.yaml"))
    for name in re.findall(r"alert: (\w+)", alerts):
        assert name in tests, f"no test of {name}"
    # container.py looks for these in what the daemon serves.
    asked += [rule["expr"] for group in yaml.safe_load(alerts)["groups"] for rule in group["rules"]]
    metrics = {name for each in asked for name in re.findall(r"\b(?:leadsync|process)_\w+", each)}
    families = sorted(re.sub(r"_bucket$", "", name) for name in metrics)
    (folder / "metrics.txt").write_text("\n".join(families) + "\n")
    print(f"the dashboard and the alerts ask for {len(families)} metrics, in {len(asked)} expressions")


if __name__ == "__main__":
    found = kubernetes()
    names_fit(found)
    configurations(found)
    compose()
    replicas()
    expressions(Path(sys.argv[1]))
