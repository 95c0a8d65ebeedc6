"""``report.html``: what pytest-html is told of each verdict."""

from __future__ import annotations

from typing import Any


class HtmlReport:
    """A plugin that gives pytest-html our title. It is registered where pytest-html writes a report."""

    def pytest_html_report_title(self, report: Any) -> None:
        report.title = "Muster"
