"""GET /health/live, /health/ready and /metrics: for supervisors, load balancers and Prometheus."""

from typing import Any

from litestar import Response, get
from litestar.datastructures import State as LitestarState
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from compat_server.state import State


@get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@get("/health/ready")
async def ready(state: LitestarState) -> Response[dict[str, Any]]:
    """200 only when every enabled capability would answer now."""
    ours: State = state.compat
    capabilities = await ours.readiness.capabilities()
    well = all(healthy for models in capabilities.values() for healthy in models.values())
    body = {
        "status": "ready" if well else "not ready",
        "capabilities": {
            name: {"ready": all(models.values()), "models": models}
            for name, models in capabilities.items()
        },
    }
    return Response(body, status_code=200 if well else 503)


@get("/metrics")
async def metrics() -> Response[bytes]:
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})


ROUTES = [live, ready, metrics]
