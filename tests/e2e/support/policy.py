"""ClientCertificatePolicies as YAML."""
import json


def pin(spki=None, certificate=None, issuer=None, name=None, owner=None, not_before=None, not_after=None):
    entry = {"name": name, "owner": owner, "spkiHash": spki, "certificateHash": certificate,
             "issuerSpkiHash": issuer, "notBefore": moment(not_before), "notAfter": moment(not_after)}
    return {key: value for key, value in entry.items() if value is not None}


def moment(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else None


def target(name="edge", section=None, kind="Gateway"):
    entry = {"group": "gateway.networking.k8s.io", "kind": kind, "name": name}
    return dict(entry, sectionName=section) if section else entry


def policy(name, targets, pins=(), namespace="edge", **spec):
    """JSON is YAML: what a field holds here is what the file says."""
    body = dict(targetRefs=targets, pins=list(pins), **spec)
    return f"""---
apiVersion: pingate.dev/v1alpha1
kind: ClientCertificatePolicy
metadata: {{name: {name}, namespace: {namespace}}}
spec: {json.dumps(body)}
"""
