"""Announces that an address is here now: gratuitous ARP, as keepalived sends it. announce.py <device> <address>"""

import socket
import sys
from pathlib import Path

device, address = sys.argv[1:]
mac = bytes.fromhex(Path(f"/sys/class/net/{device}/address").read_text().strip().replace(":", ""))
ip = socket.inet_aton(address)
everybody = b"\xff" * 6
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
    raw.bind((device, 0x0806))
    for operation in (1, 2):
        packet = b"\x00\x01\x08\x00\x06\x04" + operation.to_bytes(2, "big") + mac + ip + everybody + ip
        raw.send(everybody + mac + b"\x08\x06" + packet)
