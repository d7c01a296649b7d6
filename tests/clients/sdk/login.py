"""Logs in with the SDK and says what it learned."""

import json

from clearml.backend_api import Session

session = Session()
print(json.dumps({"host": session.host, "api": session.api_version, "server": session.server_version}))
