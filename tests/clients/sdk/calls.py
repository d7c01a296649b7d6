"""Calls the API with the SDK until a file appears: STOP. Prints how many calls there were, and what failed."""

import json
import sys
from pathlib import Path

from clearml.backend_api import Session

stop = Path(sys.argv[1])
session = Session()
calls, failed = 0, []
print("ready", flush=True)
while not stop.exists():
    response = session.send_request("users", "get_current_user", version="2.13", json={"call": calls})
    calls += 1
    if response.status_code != 200:
        failed.append([response.status_code, response.text[:200]])
print(json.dumps({"calls": calls, "failed": failed}))
