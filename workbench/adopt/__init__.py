"""Take over a project of Piper: read what it says, write a workspace file, change nothing else.

Light: standard library, PyYAML where there is YAML, and what of `core_vits` needs no torch.
"""

from workbench.adopt.adoption import Adoption, adopt, looks_like_piper
from workbench.adopt.source import parse_variables

__all__ = ["Adoption", "adopt", "looks_like_piper", "parse_variables"]
