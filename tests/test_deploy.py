"""Containers and manifests: by their schemas, without root, read-only, with commands that lopore takes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from lopore.cli import main

ROOT = Path(__file__).resolve().parent.parent
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
COMPOSED = {
    f"{path.parent.name}/{name}": service
    for path in (ROOT / "compose.yaml", ROOT / "deploy" / "compose.yaml")
    for name, service in yaml.safe_load(path.read_text(encoding="utf-8"))["services"].items()
}
IMAGE = "lopore:0.1.0"


def resources() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in MANIFESTS:
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield f"{one['kind']}/{one['metadata']['name']}", one


RESOURCES = dict(resources())
PODS = {name: one["spec"]["template"]["spec"] for name, one in RESOURCES.items() if "template" in one["spec"]}


def taken(words: list[str]) -> None:
    """Refuses a command line that lopore does not take."""
    name, *rest = words
    command = main.get_command(click.Context(main), name)
    assert command is not None, name
    command.make_parser(click.Context(command)).parse_args(args=list(rest))


@pytest.mark.parametrize("name", RESOURCES)
def test_a_manifest_is_one_by_the_schemas_of_kubernetes(name: str) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    validator.validate(RESOURCES[name], "1.34", strict=True)


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_no_root_no_rights_and_limits(name: str) -> None:
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    volumes = {volume["name"] for volume in pod["volumes"]} | {
        claim["metadata"]["name"] for claim in RESOURCES[name]["spec"].get("volumeClaimTemplates", ())
    }
    for one in pod["containers"]:
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert one["resources"]["limits"]["memory"] and one["resources"]["limits"]["cpu"]
        assert {mount["name"] for mount in one["volumeMounts"]} <= volumes
        assert ":" in one["image"] and not one["image"].endswith(":latest")


def test_services_and_rules_name_what_is_there() -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in RESOURCES.values() if "template" in one["spec"]]
    served = {one["metadata"]["name"]: one for one in RESOURCES.values() if one["kind"] == "Service"}
    for one in served.values():
        assert any(one["spec"]["selector"].items() <= label.items() for label in labels)
    for one in RESOURCES.values():
        if one["kind"] == "Ingress":
            paths = [path for rule in one["spec"]["rules"] for path in rule["http"]["paths"]]
            assert {path["backend"]["service"]["name"] for path in paths} <= set(served) and one["spec"]["tls"]


def test_the_commands_in_manifests_and_compose_files_are_ones_that_lopore_takes() -> None:
    commands = [
        service["command"] for service in COMPOSED.values() if service["image"] == IMAGE and "command" in service
    ]
    for pod in PODS.values():
        for one in pod["containers"]:
            if one["image"] == IMAGE and "command" not in one:
                commands.append(one["args"])
            elif one["image"] == IMAGE:
                words = shlex.split(one["args"][0].replace("$((JOB_COMPLETION_INDEX + 1))", "1"))
                assert words[:2] == ["exec", "lopore"]
                commands.append(words[2:])
    assert len(commands) == 5
    for words in commands:
        taken(words)


@pytest.mark.parametrize("name", COMPOSED)
def test_a_composed_service_is_read_only_without_rights_and_with_limits(name: str) -> None:
    service = COMPOSED[name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"] and service["pids_limit"]
    assert service["image"] == IMAGE or service["user"] not in ("0", "root")
    ports = service.get("ports", [])
    assert name == "deploy/proxy" or all(port.startswith("127.0.0.1:") for port in ports)


def test_secrets_are_files_and_the_networks_lead_nowhere() -> None:
    whole = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    assert all(set(secret) == {"file"} for secret in whole["secrets"].values())
    assert {name for one in whole["services"].values() for name in one.get("secrets", ())} == set(whole["secrets"])
    assert whole["networks"]["inside"] == {"internal": True}
    assert [name for name, one in whole["services"].items() if one["networks"] != ["inside"]] == ["proxy"]
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


def test_the_image_has_no_root_and_is_made_of_what_is_here() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001"]
    copied = [line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    assert copied and all((ROOT / name).exists() for name in copied)
    (entry,) = [line for line in lines if line.startswith("CMD ")]
    taken(yaml.safe_load(entry.removeprefix("CMD ")))
