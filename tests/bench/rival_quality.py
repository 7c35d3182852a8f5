"""What audio-data-quality-toolkit says of recordings: one path a line in, one JSON list of failed checks a line out."""

from __future__ import annotations

import json
import sys
import warnings

from audio_qa.pipeline import check_file

warnings.simplefilter("ignore")
for line in sys.stdin:
    result = check_file(line.rstrip("\n"))
    failed = ["error"] if result.get("error") else []
    print(json.dumps(failed + [item["check"] for item in result["checks"] if not item.get("passed")]), flush=True)
