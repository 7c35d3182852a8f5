"""Readiness of a voice's training as a document: what was measured, where, and what to do next. Reads only."""

from workbench.report.making import make_report
from workbench.report.records import Report, Verdict

__all__ = ["Report", "Verdict", "make_report"]
