"""One server for the whole run, and the marker that says which operation a test proves."""

from collections.abc import Iterator

import pytest

from conformance_tests.live_server import LiveServer


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "operation(name, partly=None): proves an operation of the vendor's SDK for COVERAGE.md; "
        "`partly` says what is missing.",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The marker goes into the junit report, from which `coverage.py` reads it."""
    for item in items:
        for marker in item.iter_markers("operation"):
            name, partly = marker.args[0], marker.kwargs.get("partly")
            item.user_properties.append(("operation", name))
            if partly:
                item.user_properties.append((f"partly:{name}", partly))


@pytest.fixture(scope="session")
def server() -> Iterator[LiveServer]:
    with LiveServer() as running:
        yield running
