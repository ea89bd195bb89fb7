"""An HTTP server on 127.0.0.1 that speaks as much of the Hub's protocol as `huggingface_hub` needs.

It serves a folder as the files of BAAI/Emotiontalk at the pinned revision (`/datasets/…/resolve/…`) and as plain files
(`/files/…`), counts bytes and requests by file, and on demand waits, cuts connections, refuses ranges or access.
"""

import collections
import contextlib
import hashlib
import http.server
import json
import re
import socket
import threading
import time
from pathlib import Path

REPO, REVISION = "BAAI/Emotiontalk", "adbc17fc944e8cf2873643906160c6ca0259ab61"


class HubServer:
    """Attributes that change what it does:

    ranges: whether it serves them. token: what must be sent; None: open to all.
    cut_after: bytes after which the first answer for each file breaks off; after: called once one was cut.
    refused: status for requests with a range. broken: how many answers fail first, with `busy` (status, Retry-After).
    latency: seconds before each answer. rate: bytes a second of each connection. trickle: seconds after each byte.
    odd: headers of files that are given another value; `Location` makes the answer a redirect.
    signed: files are redirected to a signed address at `storage`, a server on another port, as the Hub's storage does;
    expires: requests that a signed address serves before it is refused with 403.
    """

    def __init__(self, folder, storage_of=None):
        self.folder = Path(folder)
        self.rate = self.trickle = self.expires = None
        self.busy, self.signed, self.storage, self.storage_of = (503, None), False, None, storage_of
        self.signatures, self.connections = collections.Counter(), set()
        self.now = self.most = 0  # answers under way, and how many there have been at once
        self.ranges, self.token, self.cut_after, self.broken, self.latency = True, None, None, 0, 0.0
        self.refused, self.odd, self.after = None, {}, None
        self.sha = REVISION
        self.bytes, self.requests = collections.Counter(), collections.Counter()
        self.tokens = set()
        self.cut = set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_version = "hub"
            disable_nagle_algorithm = True

            def handle(self):
                outer.connections.add(self.connection)
                with contextlib.suppress(ConnectionError):  # the client has heard enough
                    super().handle()

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                outer.answer(self, body=False)

            def do_GET(self):
                outer.answer(self, body=True)

            def do_POST(self):
                self.posted = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.answer(self, body=True)

            do_PUT = do_POST

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        if self.storage:
            self.storage.close()
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def forget(self):
        self.bytes.clear()
        self.requests.clear()
        self.cut.clear()
        if self.storage:
            self.storage.forget()

    def sign(self, request, name):
        """Redirect to a signed address of the storage."""
        if not self.storage:
            self.storage = HubServer(self.folder, storage_of=self)
        self.requests[name] += 1
        signature = f"signature-{sum(self.requests.values())}"
        self.storage.signatures[signature] = 0
        headers = {
            "Location": f"{self.storage.url}/files/{name}?X-Signature={signature}",
            "X-Linked-Size": str((self.folder / name).stat().st_size),
        }
        self.send(request, 302, b"Found", headers)

    def answer(self, request, body):
        settings = self.storage_of or self
        time.sleep(settings.latency)
        path = request.path.split("?")[0].replace("%2F", "/")
        authorization = request.headers.get("Authorization")
        if authorization:
            self.tokens.add(authorization)
        if match := re.fullmatch(rf"/(?:files|datasets/{REPO}/resolve/([^/]+))/([\w./-]+)", path):
            if match[1] not in (None, "main", REVISION):
                return self.refuse(request, 404, "RevisionNotFound")
            if self.token and match[1] and authorization != f"Bearer {self.token}":
                return self.refuse(request, 401 if not authorization else 403, "GatedRepo")
            if not (self.folder / match[2]).is_file():
                return self.refuse(request, 404, "EntryNotFound")
            if self.signed:
                return self.sign(request, match[2])
            if self.storage_of:
                signature = request.path.partition("X-Signature=")[2]
                self.signatures[signature] += 1
                expired = settings.expires and self.signatures[signature] > settings.expires
                if expired or signature not in self.signatures:
                    return self.refuse(request, 403, "Expired")
            return self.send_file(request, self.folder / match[2], body)
        if match := re.fullmatch(rf"/api/datasets/{REPO}/(paths-info|tree)/([^/]+)", path):
            listed = [
                {"type": "file", "path": str(f.relative_to(self.folder)), "size": f.stat().st_size, "oid": self.tag(f)}
                for f in sorted(self.folder.rglob("*"))
                if f.is_file()
            ]
            return self.send(request, 200, json.dumps(listed).encode(), {"Content-Type": "application/json"})
        return self.refuse(request, 404, "RepoNotFound")

    def refuse(self, request, status, code):
        self.send(request, status, b"", {"X-Error-Code": code, "X-Error-Message": code})

    def send(self, request, status, data, headers):
        request.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data)

    @staticmethod
    def tag(file):
        return hashlib.sha1(f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}".encode()).hexdigest()

    def send_file(self, request, file, body):
        self.requests[file.name] += 1
        settings = self.storage_of or self
        if settings.broken and body:
            settings.broken -= 1
            return self.send(
                request, self.busy[0], b"", {"Retry-After": self.busy[1]} if self.busy[1] is not None else {}
            )
        if self.refused and request.headers.get("Range"):
            return self.send(request, self.refused, b"", {})
        size = file.stat().st_size
        start, end = 0, size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range") or "")
        ranged = bool(asked) and self.ranges
        if ranged:
            start, end = int(asked[1]), min(size, int(asked[2]) + 1 if asked[2] else size)
            if start >= size:
                return self.send(request, 416, b"", {"Content-Range": f"bytes */{size}"})
        if "Content-Length" in self.odd:
            ranged, start, end = False, 0, size
        request.send_response(302 if "Location" in self.odd else 206 if ranged else 200)
        headers = {"Content-Length": str(end - start), "ETag": f'"{self.tag(file)}"', "X-Repo-Commit": self.sha}
        if ranged:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if self.ranges:
            headers["Accept-Ranges"] = "bytes"
        if "Location" in self.odd:
            headers = {"Content-Length": "0"}
        for name, value in {**headers, **self.odd}.items():
            request.send_header(name, value)
        request.end_headers()
        if not body or "Location" in self.odd:
            return None
        left = end - start
        cut = None
        if self.cut_after is not None and file.name not in self.cut and left > self.cut_after:
            self.cut.add(file.name)
            cut = self.cut_after
        began, sent = time.monotonic(), 0
        self.now += 1
        self.most = max(self.most, self.now)
        with open(file, "rb") as data:
            data.seek(start)
            while left:
                if settings.rate:
                    time.sleep(max(0.0, began + sent / settings.rate - time.monotonic()))
                if settings.trickle:
                    time.sleep(settings.trickle)
                chunk = data.read(
                    min(
                        1 if settings.trickle else 1 << 18 if settings.rate else 1 << 16,
                        left,
                        left if cut is None else cut,
                    )
                )
                if not chunk:
                    break
                try:
                    request.wfile.write(chunk)
                except OSError:
                    break
                left, sent = left - len(chunk), sent + len(chunk)
                self.bytes[file.name] += len(chunk)
                if cut is not None:
                    cut -= len(chunk)
                    if cut <= 0:
                        break
        self.now -= 1
        if left:
            if self.after:
                self.after()
            request.close_connection = True
            request.connection.close()
        return None
