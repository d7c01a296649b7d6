"""The program that the tests give to `acme.dns.hook`: records in pebble's own resolver, and a note of every call.

hook.py NOTES RESOLVER present|cleanup DOMAIN RECORD VALUE"""

import json
import os
import sys
import urllib.request

notes, resolver, *call = sys.argv[1:]
named = [os.environ[f"CLEARWAY_ACME_{name}"] for name in ("ACTION", "DOMAIN", "RECORD", "VALUE")]
with open(notes, "a") as file:
    file.write(json.dumps({"call": call, "environment": named, "socket": os.environ.get("NOTIFY_SOCKET")}) + "\n")
action, domain, record, value = call
if os.path.exists(notes + ".refuse"):
    print("the provider says: quota \x1b[31mexceeded", file=sys.stderr)
    sys.exit(3)
# This resolver forgets all records of a name at once, which is right for the last one of them.
path, body = {"present": ("set-txt", {"host": record + ".", "value": value}),
              "cleanup": ("clear-txt", {"host": record + "."})}[action]
urllib.request.urlopen(f"http://127.0.0.1:{resolver}/{path}", data=json.dumps(body).encode(), timeout=10)
