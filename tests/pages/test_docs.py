"""The API's page shows every operation of the OpenAPI document."""

import httpx

from tests.e2e.stack import Stack
from tests.pages.visitor import Visitor


def test_the_api_page_lists_every_operation(visitor: Visitor, stack: Stack) -> None:
    paths = httpx.get(f"{stack.gateway_url}/openapi.json").json()["paths"]
    operations = sum(len(methods) for methods in paths.values())
    visitor.open("/docs", state="ready")
    assert visitor.page.locator("article").count() == operations
    for path in paths:
        visitor.sees(path)
