"""The metadata service of the guest's tests: QEMU runs it once for each connection."""

import json
import sys

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone"
DOCUMENTS = {
    "/openstack/latest/meta_data.json": json.dumps({"name": "web-1", "hostname": "web-1", "public_keys": {"k": KEY}}),
    "/openstack/latest/user_data": "#!/bin/sh\necho hello from user-data > /www/marker.txt\n",
}

path = sys.stdin.buffer.readline().split()[1].decode()
while sys.stdin.buffer.readline().strip():
    pass
body = DOCUMENTS.get(path, "").encode()
status = "200 OK" if body else "404 Not Found"
sys.stdout.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body.decode()}")
