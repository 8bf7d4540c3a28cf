"""The page about rules is followed: its module becomes a rule, which has a page and passes the test of the rules."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from docs.pages import DOCS, ROOT, blocks_of
from tollway.audit import rules

PAGE = DOCS / "audit" / "add-a-rule.md"


def load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the page, in the list of the rules."""
    (block,) = (block for block in blocks_of(PAGE) if "module" in block.marks)
    file = tmp_path / f"{block.marks['module']}.py"
    file.write_text(block.text)
    made = load(file)
    monkeypatch.setattr(rules, "RULES", (*rules.RULES, made))
    return made


def test_the_number_is_free() -> None:
    assert "BP017" not in [known.ID for known in rules.RULES]


def test_the_rule_reports_its_bad_case_and_not_its_good_one(rule: ModuleType) -> None:
    generator = load(ROOT / "tools" / "generate_rule_pages.py")

    (found,) = generator.findings(generator.report(rule.BAD_CASE), rule.ID)
    assert "shop.pay_all/0: update shop.orders.status to paid has no WHERE" in found
    assert generator.findings(generator.report(rule.GOOD_CASE), rule.ID) == []


def test_the_rule_has_a_page_with_everything_that_it_says(rule: ModuleType) -> None:
    page = load(ROOT / "tools" / "generate_rule_pages.py").page(rule)

    for part in (rule.TITLE, rule.WHY, rule.check.__doc__, rule.MEND, rule.BLIND, rule.BAD_CASE.sql, rule.GOOD_CASE.sql, "case.sql:2"):
        assert part in page


def test_every_part_that_the_page_explains_is_one_that_rules_have() -> None:
    for known in rules.RULES:
        assert all(hasattr(known, part) for part in ("ID", "TITLE", "WHY", "check", "MEND", "BLIND", "BAD_CASE", "GOOD_CASE"))
