#!/usr/bin/env python3
"""Makes schemas.json: what the Kubernetes API server accepts, for the kinds that are used here, without the network.

    pip install kubernetes-validate==1.37.0 && python3 infra/k8s/schemas.py > infra/k8s/schemas.json

The package's schemas are made from Kubernetes' own OpenAPI document; its strict ones refuse unknown fields at any depth.
The descriptions are left out: they are nine tenths of it.
"""
import json
import os

import kubernetes_validate

VERSION = "v1.34.0"
KINDS = {
    "v1/ConfigMap": "configmap-v1",
    "v1/Namespace": "namespace-v1",
    "v1/Service": "service-v1",
    "v1/ServiceAccount": "serviceaccount-v1",
    "apps/v1/Deployment": "deployment-apps-v1",
    "autoscaling/v2/HorizontalPodAutoscaler": "horizontalpodautoscaler-autoscaling-v2",
    "batch/v1/Job": "job-batch-v1",
    "networking.k8s.io/v1/NetworkPolicy": "networkpolicy-networking-v1",
    "policy/v1/PodDisruptionBudget": "poddisruptionbudget-policy-v1",
}

folder = os.path.join(os.path.dirname(kubernetes_validate.__file__), "kubernetes-json-schema", f"{VERSION}-local-strict")


def load(name):
    with open(os.path.join(folder, f"{name}.json"), encoding="utf-8") as file:
        return json.loads(file.read().replace("/api/_definitions.json#/$defs/", "#/$defs/"))


def without_words(node):
    """A property may be called description, too: then it is an object."""
    if isinstance(node, dict):
        return {key: without_words(value) for key, value in node.items() if key != "description" or isinstance(value, dict)}
    return [without_words(value) for value in node] if isinstance(node, list) else node


known = load("_definitions")["$defs"]
defs = {}


def take(node):
    """Takes over every definition that is reached."""
    if isinstance(node, dict):
        name = str(node.get("$ref", ""))[len("#/$defs/"):]
        if name in known and name not in defs:
            defs[name] = without_words(known[name])
            take(known[name])
        for value in node.values():
            take(value)
    elif isinstance(node, list):
        for value in node:
            take(value)


kinds = {}
for kind, name in KINDS.items():
    schema = load(name)
    schema.pop("$id", None)
    schema.pop("$schema", None)
    take(schema)
    kinds[kind] = without_words(schema)
print(json.dumps({"version": VERSION, "kinds": kinds, "$defs": defs}, sort_keys=True, separators=(",", ":")))
