"""Uploads a file with the SDK: FILE URL. Prints the URL it may be had from."""

import json
import sys

from clearml import StorageManager

print(json.dumps({"url": StorageManager.upload_file(sys.argv[1], sys.argv[2])}))
