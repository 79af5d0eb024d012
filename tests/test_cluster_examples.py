"""What examples/cluster holds is what Ray, KubeRay and SLURM understand, and no cluster in it is open."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

CLUSTER = Path(__file__).parents[1] / "examples" / "cluster"
SCRIPTS = sorted(CLUSTER.glob("*.sh"))
CRDS = "KUBERAY_CRDS"
"""Names a folder with ray.io_rayjobs.yaml and ray.io_rayclusters.yaml of ray-operator/config/crd/bases."""


def read(name: str) -> Any:
    return yaml.safe_load((CLUSTER / name).read_text())


def ray_cluster(name: str) -> Any:
    spec = read(name)["spec"]
    return spec.get("rayClusterSpec", spec)


@pytest.mark.parametrize("name", ["kuberay-job.yaml", "kuberay-cluster.yaml"])
def test_kuberay_makes_a_token_and_all_pods_share_image_and_volume(name: str) -> None:
    cluster = ray_cluster(name)
    assert cluster["authOptions"] == {"mode": "token"}
    assert tuple(map(int, cluster["rayVersion"].split("."))) >= (2, 52, 0), "the first with tokens"
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    pods = [group["template"]["spec"] for group in groups]
    assert {container["image"].partition(":")[0] for pod in pods for container in pod["containers"]} == {
        "registry.example.com/fewcolors"
    }
    for pod in pods:
        (volume,), (container,) = pod["volumes"], pod["containers"]
        (mount,) = container["volumeMounts"]
        assert (volume["name"], mount["name"], mount["mountPath"]) == ("shared", "shared", "/shared")
        assert container["resources"]["limits"] == container["resources"]["requests"]


@pytest.mark.skipif(CRDS not in os.environ, reason=f"{CRDS} names no folder with KubeRay's CRDs")
@pytest.mark.parametrize("name", ["kuberay-job.yaml", "kuberay-cluster.yaml"])
def test_kuberay_accepts_it(name: str) -> None:
    manifest = read(name)
    file = Path(os.environ[CRDS]) / f"ray.io_{manifest['kind'].lower()}s.yaml"
    crd = yaml.load(file.read_text(), yaml.CSafeLoader)
    (schema,) = (v["schema"]["openAPIV3Schema"] for v in crd["spec"]["versions"] if v["name"] == "v1")
    close(schema["properties"]["spec"])
    jsonschema.Draft7Validator(schema).validate(manifest)
    manifest["spec"]["headGroup"] = {}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate(manifest)


def close(schema: Any) -> None:
    """No key is accepted that the schema does not name: Kubernetes would drop it in silence."""
    if isinstance(schema, dict):
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        for value in schema.values():
            close(value)
    elif isinstance(schema, list):
        for value in schema:
            close(value)


def test_the_cluster_launcher_accepts_it_and_every_machine_has_the_token() -> None:
    import ray

    config = read("launcher.yaml")
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(config)
    assert set(config["file_mounts"]) == {"~/.ray/auth_token"}
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        (start,) = (command for command in commands if "ray start" in command)
        assert start.startswith("RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$HOME/.ray/auth_token ")


def test_the_image_lets_nobody_in_without_a_token() -> None:
    lines = (CLUSTER / "Dockerfile").read_text().splitlines()
    assert any(line.startswith("ENV RAY_AUTH_MODE=token") for line in lines)
    assert "USER ray" in lines


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_sound(script: Path) -> None:
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert os.access(script, os.X_OK)
    assert "RAY_AUTH_MODE=token" in script.read_text()
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", script], check=True)
