"""Voice Workbench: a terminal workbench for people who train VITS / Piper voices."""

__version__ = "0.1.0"
