"""The gateway's OpenAPI document."""

from typing import Any

from fastapi import FastAPI

from tellers_gateway import deliveries
from tellers_runtime.openapi import with_problems

REFUSALS = {
    404: "`unknown_chamber`, `unknown_roll_call`, `not_found`",
    422: "`bad_request`, with every bad parameter in `errors`",
    429: "`too_many_requests`: see `Retry-After`",
    503: "`log_unavailable`, or `overloaded`: see `Retry-After`",
}


class GatewayApp(FastAPI):
    """The app; its document says how each operation may be refused, and what webhooks
    deliver."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            document = with_problems(super().openapi(), REFUSALS)
            document["webhooks"] = deliveries.deliveries()
            document["components"]["schemas"].update(deliveries.schemas())
            self.openapi_schema = document
        return self.openapi_schema
