"""Downloads a file with the SDK: URL. Prints where it lies."""

import json
import sys

from clearml import StorageManager

print(json.dumps({"path": StorageManager.get_local_copy(sys.argv[1], force_download=True)}))
