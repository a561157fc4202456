"""All checks in turn, and what the command makes of them."""

from __future__ import annotations

import json

import pytest

from evaluation.__main__ import main
from evaluation.doctor import examine as examination
from evaluation.doctor.examine import CHECKS, examine
from evaluation.doctor.finding import Finding, Plan, ok
from evaluation.errors import UserError
from tests.shapes import PROJECT

DEMO_ROUTE = PROJECT / "evaluation" / "data" / "demo_route.xml"


def refuse(plan: Plan) -> Finding:
    raise UserError("no map; get one")


def fail(plan: Plan) -> Finding:
    raise OSError("disk on fire")


def test_a_check_that_fails_is_a_finding() -> None:
    checks = {"refuses": refuse, "fails": fail, "works": lambda _: ok("works", "well")}
    refused, failed, worked = examine(Plan(), checks)
    assert refused == Finding("refuses", "wrong", "no map", "get one")
    assert failed.level == "wrong"
    assert "OSError: disk on fire" in failed.text
    assert worked.level == "ok"


@pytest.mark.parametrize(
    ("finding", "code"),
    [
        (ok("a", "well"), 0),
        (Finding("a", "warning", "so", "do"), 0),
        (Finding("a", "wrong", "x"), 1),
    ],
)
def test_the_exit_code_tells_whether_something_must_be_mended(
    monkeypatch: pytest.MonkeyPatch, finding: Finding, code: int
) -> None:
    monkeypatch.setattr(examination, "examine", lambda _: [finding])
    assert main(["doctor"]) == code


def test_lines_fit_a_terminal_and_name_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finding = Finding("maps", "wrong", "[Town01] is missing " + "far " * 30, "get it")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(examination, "examine", lambda _: [finding])
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("wrong   maps        [Town01] is missing far")
    assert lines[-1].strip() == "-> get it"
    assert max(map(len, lines)) <= 80


@pytest.mark.slow
def test_a_whole_run(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json", "--routes", str(DEMO_ROUTE)])
    findings = [Finding(**entry) for entry in json.loads(capsys.readouterr().out)]
    assert [finding.name for finding in findings] == list(CHECKS)
    assert code == int(any(finding.level == "wrong" for finding in findings))
    assert not [finding for finding in findings if "check failed" in finding.text]
