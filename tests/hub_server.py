"""An HTTP server on 127.0.0.1 that speaks as much of the Hub's protocol as `huggingface_hub` needs.

It serves a folder as the files of BAAI/Emotiontalk at the pinned revision (`/datasets/…/resolve/…`) and as plain files
(`/files/…`), counts bytes and requests by file, and on demand waits, cuts connections, refuses ranges or access.
"""

import collections
import hashlib
import http.server
import json
import re
import threading
import time
from pathlib import Path

REPO, REVISION = "BAAI/Emotiontalk", "adbc17fc944e8cf2873643906160c6ca0259ab61"


class HubServer:
    """Attributes that change what it does: `ranges`, `token` (None: open to all), `cut_after` (bytes after which the
    first answer for each file breaks off), `refused` (status for requests with a range), `broken` (how many answers fail with 503 first), `latency` (seconds), `odd` (headers
    of files that are given another value; `Location` makes the answer a redirect), `after` (called once an answer was cut)."""

    def __init__(self, folder):
        self.folder = Path(folder)
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
                try:
                    super().handle()
                except ConnectionError:  # the client has heard enough
                    pass

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
        self.server.shutdown()
        self.server.server_close()

    def forget(self):
        self.bytes.clear()
        self.requests.clear()
        self.cut.clear()

    def answer(self, request, body):
        time.sleep(self.latency)
        path = request.path.split("?")[0].replace("%2F", "/")
        authorization = request.headers.get("Authorization")
        if authorization:
            self.tokens.add(authorization)
        if match := re.fullmatch(rf"/(?:files|datasets/{REPO}/resolve/([^/]+))/([\w.]+)", path):
            if match[1] not in (None, "main", REVISION):
                return self.refuse(request, 404, "RevisionNotFound")
            if self.token and match[1] and authorization != f"Bearer {self.token}":
                return self.refuse(request, 401 if not authorization else 403, "GatedRepo")
            if not (self.folder / match[2]).is_file():
                return self.refuse(request, 404, "EntryNotFound")
            return self.send_file(request, self.folder / match[2], body)
        if match := re.fullmatch(rf"/api/datasets/{REPO}/(paths-info|tree)/([^/]+)", path):
            listed = [
                {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": self.tag(f)} for f in sorted(self.folder.iterdir())
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
        if self.broken and body:
            self.broken -= 1
            return self.send(request, 503, b"", {})
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
        with open(file, "rb") as data:
            data.seek(start)
            while left:
                chunk = data.read(min(1 << 16, left, cut if cut is not None else 1 << 16))
                if not chunk:
                    break
                try:
                    request.wfile.write(chunk)
                except OSError:
                    break
                left -= len(chunk)
                self.bytes[file.name] += len(chunk)
                if cut is not None:
                    cut -= len(chunk)
                    if cut <= 0:
                        break
        if left:
            if self.after:
                self.after()
            request.close_connection = True
            request.connection.close()
        return None
