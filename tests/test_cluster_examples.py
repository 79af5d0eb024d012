"""What examples/cluster holds is what Ray, KubeRay and SLURM understand, and no cluster in it is open."""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
import yaml

from harness.cli import app

CLUSTER = Path(__file__).parents[1] / "examples" / "cluster"
SCRIPTS = sorted(CLUSTER.glob("*.sh"))
CRDS = "KUBERAY_CRDS"
"""Names a folder with ray.io_rayjobs.yaml and ray.io_rayclusters.yaml of ray-operator/config/crd/bases."""


def only(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """A mapping with these keys and no other."""
    properties = required | optional
    return {
        "type": "object", "properties": properties, "required": list(required), "additionalProperties": False
    }  # fmt: skip


def many(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of, "minItems": 1}


TEXT, WHOLE = {"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0}
NAME = {"type": "string", "pattern": "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"}
QUANTITY = {"type": "string", "pattern": "^[1-9][0-9]*(Ki|Mi|Gi|Ti|m)?$"}
AMOUNTS = only({"cpu": QUANTITY, "memory": QUANTITY}, **{"nvidia.com/gpu": {"type": "string", "pattern": "^[1-9]$"}})
CONTAINER = only(
    {
        "name": NAME,
        "image": TEXT,
        "resources": only({"requests": AMOUNTS, "limits": AMOUNTS}),
        "volumeMounts": many(only({"name": NAME, "mountPath": {"type": "string", "pattern": "^/"}})),
    },
    ports=many(only({"name": NAME, "containerPort": {"type": "integer", "minimum": 1, "maximum": 65535}})),
)
VOLUME = only({"name": NAME, "persistentVolumeClaim": only({"claimName": NAME})})
GROUP = {
    "rayStartParams": {"type": "object", "additionalProperties": {"type": "string"}},
    "template": only({"spec": only({"containers": many(CONTAINER), "volumes": many(VOLUME)})}),
}
WORKERS = only(GROUP | {"groupName": NAME, "replicas": WHOLE, "minReplicas": WHOLE, "maxReplicas": WHOLE})
RAY_CLUSTER = only(
    {
        "rayVersion": {"type": "string", "pattern": "^[0-9]+[.][0-9]+[.][0-9]+$"},
        "authOptions": only({"mode": {"const": "token"}}),
        "headGroupSpec": only(GROUP),
        "workerGroupSpecs": many(WORKERS),
    }
)
RAY_JOB = only(
    {
        "entrypoint": TEXT,
        "backoffLimit": WHOLE,
        "shutdownAfterJobFinishes": {"const": True},
        "ttlSecondsAfterFinished": WHOLE,
        "rayClusterSpec": RAY_CLUSTER,
    }
)
SPECS = {"RayJob": RAY_JOB, "RayCluster": RAY_CLUSTER}
"""The keys of KubeRay's and Kubernetes' that the manifests use, in their places, and what each may hold."""


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


def mistaken(manifest: Any) -> list[Any]:
    """The manifest with each of its keys misspelled in turn, and with a mapping in place of each of its values."""
    found = []

    def walk(at: tuple[Any, ...]) -> None:
        here = manifest
        for step in at:
            here = here[step]
        for step in here if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ():
            for spoil in ("key", "value"):
                copied = copy.deepcopy(manifest)
                parent = copied
                for earlier in at:
                    parent = parent[earlier]
                if spoil == "value":
                    parent[step] = {"odd": 1}
                elif isinstance(parent, dict) and at[-1:] != ("rayStartParams",):
                    parent[f"{step}s"] = parent.pop(step)
                else:
                    continue
                found.append(copied)
            walk((*at, step))

    walk(())
    return found


@pytest.mark.parametrize("name", ["kuberay-job.yaml", "kuberay-cluster.yaml"])
def test_every_key_is_in_its_place_and_holds_what_it_may(name: str) -> None:
    manifest = read(name)
    about = {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": manifest["kind"]},
        "metadata": only({"name": NAME}),
    }
    check = jsonschema.Draft7Validator(only(about | {"spec": SPECS[manifest["kind"]]}))
    check.validate(manifest)
    wrong = mistaken(manifest)
    assert len(wrong) > 100
    assert [spoiled for spoiled in wrong if check.is_valid(spoiled)] == []


@pytest.mark.parametrize("name", ["kuberay-job.yaml", "kuberay-cluster.yaml"])
def test_ray_starts_with_what_pods_are_given_and_replicas_are_fixed(name: str) -> None:
    from ray.scripts.scripts import start

    options = {option for parameter in start.params for option in parameter.opts}
    cluster = ray_cluster(name)
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert {f"--{key}" for key in group["rayStartParams"]} <= options
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] == group["replicas"] == group["maxReplicas"], "a run asks for no further nodes"
    installed = re.search(r'"ray\[default,tune\]==([0-9.]+)"', (CLUSTER / "Dockerfile").read_text())
    assert installed is not None
    assert installed[1] == cluster["rayVersion"]


def test_the_jobs_command_is_one_of_fewcolors() -> None:
    program, name, *arguments = shlex.split(read("kuberay-job.yaml")["spec"]["entrypoint"])
    assert program == "fewcolors"
    command: Any = typer.main.get_command(app)
    given = command.commands[name].make_context(name, arguments).params
    assert str(given["spec"]) == "quickstart"
    assert [given[of] for of in ("store", "out")] == ["/shared/store", "/shared/runs/quickstart"]


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
