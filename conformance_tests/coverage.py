"""`python -m conformance_tests.coverage`: what works, written to COVERAGE.md from a run's results.

Operations come from the SDKs, proofs from tests marked `@pytest.mark.operation("models.list")`. An
operation works if every test that claims it passed in this very run.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import click

from conformance_tests.openai.operations import operations as openai_operations
from conformance_tests.operation import Operation

ROOT = Path(__file__).parent.parent
FILE = ROOT / "COVERAGE.md"

HEAD = """\
# Coverage

Every operation of the vendors' official SDKs, as the SDKs themselves define them, and the test that
proves it against a running server. Written by `make conformance` from the results of its own run;
`python -m conformance_tests.coverage --check` says whether it is up to date. Tests are found below
`conformance_tests/`.
"""


class Vendor(NamedTuple):
    name: str
    folder: str
    package: str
    operations: list[Operation]


class Proof(NamedTuple):
    """One test that claims an operation. `partly`: what it says is missing."""

    test: str
    passed: bool
    partly: str


Proofs = dict[tuple[str, str], list[Proof]]
"""By vendor's folder and operation."""


def vendors() -> list[Vendor]:
    return [Vendor("OpenAI", "openai", "openai", openai_operations())]


def run(report: Path) -> int:
    """Runs the tests; their results go to `report`."""
    command = [sys.executable, "-m", "pytest", "conformance_tests", f"--junitxml={report}"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def read(report: Path) -> Proofs:
    """The proofs in a junit report. A parametrised test passes if all of its cases do."""
    cases: dict[tuple[str, str, str], list[tuple[bool, str]]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        _, folder, *modules = case.get("classname", "").split(".")
        name = case.get("name", "").partition("[")[0]
        said = {p.get("name", ""): p.get("value", "") for p in case.iter("property")}
        passed = all(case.find(kind) is None for kind in ("failure", "error", "skipped"))
        for each in case.iter("property"):
            if each.get("name") == "operation":
                operation = each.get("value", "")
                key = (folder, operation, f"{'/'.join([folder, *modules])}.py::{name}")
                cases.setdefault(key, []).append((passed, said.get(f"partly:{operation}", "")))
    proofs: Proofs = {}
    for (folder, operation, test), outcomes in sorted(cases.items()):
        proof = Proof(test, all(passed for passed, _ in outcomes), outcomes[0][1])
        proofs.setdefault((folder, operation), []).append(proof)
    return proofs


def state(proofs: Iterable[Proof]) -> str:
    proofs = list(proofs)
    missing = [proof.partly for proof in proofs if proof.partly]
    missing += [f"`{proof.test.partition('::')[2]}` fails" for proof in proofs if not proof.passed]
    if not any(proof.passed for proof in proofs):
        return "not yet"
    return f"partly: {'; '.join(missing)}" if missing else "works"


def render(proofs: Proofs, known: list[Vendor]) -> str:
    totals = [
        "| vendor | SDK | operations | works | partly | not yet |",
        "|---|---|--:|--:|--:|--:|",
    ]
    sections = []
    for vendor in known:
        own = {o: proofs.get((vendor.folder, o.call), []) for o in vendor.operations}
        states = [state(each).partition(":")[0] for each in own.values()]
        counts = [states.count(each) for each in ("works", "partly", "not yet")]
        numbers = " | ".join(map(str, (len(states), *counts)))
        sdk = f"{vendor.package} {version(vendor.package)}"
        totals.append(f"| {vendor.name} | {sdk} | {numbers} |")
        sections.append(f"## {vendor.name}\n\n" + "\n\n".join(tables(own)))
    return "\n\n".join([HEAD.rstrip(), "\n".join(totals), *sections]) + "\n"


def tables(own: Mapping[Operation, list[Proof]]) -> list[str]:
    """One for each resource; those of which something works come first."""
    rows: dict[str, list[str]] = {}
    begun = set()
    for operation, proofs in own.items():
        found = state(proofs)
        tests = "<br>".join(f"`{proof.test}`" for proof in proofs if proof.passed)
        http = f"{operation.method} `{operation.path}`"
        row = f"| `{operation.call}` | {http} | {found} | {tests} |"
        rows.setdefault(operation.resource, []).append(row.replace("|  |", "| |"))
        if found != "not yet":
            begun.add(operation.resource)
    head = "| SDK call | HTTP | state | test |\n|---|---|---|---|\n"
    ordered = sorted(rows, key=lambda resource: resource not in begun)
    return [f"### {resource}\n\n{head}" + "\n".join(rows[resource]) for resource in ordered]


@click.command()
@click.option("--check", is_flag=True, help="Fail if COVERAGE.md is out of date; write nothing.")
@click.option(
    "--junit",
    type=click.Path(exists=True, path_type=Path),
    help="Take the results of a run already made with --junitxml.",
)
def main(check: bool, junit: Path | None) -> None:
    """Run the conformance tests and write COVERAGE.md."""
    with tempfile.TemporaryDirectory() as folder:
        report = junit or Path(folder) / "report.xml"
        failed = 0 if junit else run(report)
        proofs = read(report)
    known = vendors()
    real = {(vendor.folder, o.call) for vendor in known for o in vendor.operations}
    if unknown := sorted(f"{folder}: {call}" for folder, call in proofs.keys() - real):
        raise click.ClickException(f"tests claim operations that no SDK has: {', '.join(unknown)}")
    text = render(proofs, known)
    if check and (not FILE.exists() or FILE.read_text() != text):
        raise click.ClickException("COVERAGE.md is out of date: run `make conformance`")
    if not check:
        FILE.write_text(text)
    sys.exit(failed)


if __name__ == "__main__":
    main()
