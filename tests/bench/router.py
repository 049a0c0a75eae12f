"""The router in the bench's configuration: 20 deployments, 40 policies and more, durable audit."""

import json
import sys
from pathlib import Path

import uvloop
import yaml

from transire.api.serve import Listening, serve
from transire.bundle.limits import pack_folder
from transire.bundle.source import read_folder
from transire.observe.logging import configure_logging
from transire.settings import load_settings

__all__ = ["serve_bench"]

DEPLOYMENTS = 20


def write_policies(folder: Path, upstream: str, *, names: str = "none") -> None:
    """The starter pack, its deployments multiplied to twenty, all at one address."""
    for name, data in read_folder(pack_folder()).items():
        if name.startswith("tests/"):
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    # Structured classes alone unless asked: names cost ten times all else together.
    taxonomy = folder / "taxonomy.yaml"
    told = taxonomy.read_text()
    if told.count("\n  names: accurate\n") != 1:
        raise SystemExit("the starter pack says otherwise which names are read; mend this bench")
    taxonomy.write_text(told.replace("names: accurate", f"names: {names}"))
    file = folder / "catalog" / "deployments.yaml"
    known = yaml.safe_load(file.read_text())["deployments"]
    made = {}
    for i in range(DEPLOYMENTS):
        name = sorted(known)[i % len(known)]
        copy = {**known[name], "address": upstream, "quota_group": f"group-{i}"}
        if copy.get("price"):
            price = dict(copy["price"])
            price["as_of"] = str(price["as_of"])
            copy["price"] = price
        made[name if i < len(known) else f"{name}-{i}"] = copy
    file.write_text(json.dumps({"deployments": made}, default=str))


def serve_bench(upstream: str, port: int, data: Path) -> None:
    """Serve until SIGTERM; prints one JSON line when ready."""
    configure_logging(level="error")
    write_policies(data / "policies", upstream)
    settings = load_settings(
        None,
        data=data / "data",
        server={"port": port, "admin_port": 0},
        log={"origin": "bench.transire.local/log"},
        governance={"policies": data / "policies", "mode": "solo", "first_person": "omar"},
        limits={"rate_per_s": 1e6, "burst": 1_000_000, "per_key": 4_096, "in_flight": 8_192},
    )

    async def started(listening: Listening) -> None:
        it = listening.installation
        _, key = await it.keys.create(
            it.governed.bundle.catalog,
            application="support-triage",
            purpose=None,
            days=1,
            priority=9,
            holder="omar",
            minted_by="omar",
        )
        ready = {
            "base_url": f"{listening.base_url}/v1",
            "api_key": key,
            "admin_url": listening.admin_url,
            "deployments": len(it.governed.bundle.catalog.deployments),
            "policies": len(it.governed.bundle.annotations),
        }
        print(json.dumps(ready), flush=True)

    uvloop.run(serve(settings, started))


if __name__ == "__main__":
    serve_bench(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
