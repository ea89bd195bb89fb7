"""An HTTP server on 127.0.0.1 that speaks as much of the Hub's protocol as `huggingface_hub` needs.

It serves a folder as the files of BAAI/Emotiontalk at the pinned revision (`/datasets/…/resolve/…`) and as plain files
(`/files/…`), counts bytes and requests by file, and on demand waits, cuts connections, refuses ranges or access.
"""

import collections
import contextlib
import email.utils
import hashlib
import http.server
import json
import re
import socket
import threading
import time
from pathlib import Path

REPO, REVISION = "BAAI/Emotiontalk", "adbc17fc944e8cf2873643906160c6ca0259ab61"


def until(after):
    """The time that a Retry-After names: seconds from now, or a date; 0 where it names none."""
    if after and after.isdigit():
        return time.time() + float(after)
    try:
        return email.utils.parsedate_to_datetime(after).timestamp()
    except (TypeError, ValueError):
        return 0.0


class HubServer:
    """Attributes that change what it does:

    ranges: whether it serves them. token: what must be sent; None: open to all.
    cut_after: bytes after which the first answer for each file breaks off; after: called once one was cut.
    refused: status for requests with a range. broken: how many answers fail first, with `busy` (status, Retry-After).
    latency: seconds before each answer. rate: bytes a second of each connection. trickle: seconds after each byte.
    odd: headers of files that are given another value, or None to leave them out; `Location` makes it a redirect.
    instead: a function (request, file, first byte, end) that may answer for a file itself, and then returns True.
    signed: files are redirected to a signed address at `storage`, a server on another port, as the Hub's storage does;
    expires: requests that a signed address serves before it is refused with 403.
    """

    def __init__(self, folder, storage_of=None):
        self.folder = Path(folder)
        self.rate = self.trickle = self.expires = None
        self.busy, self.signed, self.storage, self.storage_of = (503, None), False, None, storage_of
        self.signatures, self.connections = collections.Counter(), set()
        self.now = self.most = 0  # answers under way, and how many there have been at once
        self.busy_until, self.early = 0.0, 0  # while it asked for patience, and requests that came all the same
        self.ranges, self.token, self.cut_after, self.broken, self.latency = True, None, None, 0, 0.0
        self.refused, self.odd, self.after, self.instead = None, {}, None, None
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
        file = self.folder / name
        self.requests[name] += 1
        signature = f"signature-{sum(self.requests.values())}"
        self.storage.signatures[signature] = 0
        headers = {
            "Location": f"{self.storage.url}/files/{name}?X-Signature={signature}",
            "X-Linked-Size": str(file.stat().st_size),
            "X-Linked-Etag": f'"{self.tag(file)}"',
            "X-Repo-Commit": self.sha,
        }
        self.send(request, 302, b"" if request.command == "HEAD" else b"Found", headers)

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
                if signature not in self.signatures:
                    return self.refuse(request, 403, "Unsigned")
                self.signatures[signature] += 1
                if settings.expires and self.signatures[signature] > settings.expires:
                    return self.refuse(request, 403, "Expired")
            return self.send_file(request, self.folder / match[2], body)
        if re.fullmatch(rf"/api/datasets/{REPO}/revision/({REVISION}|main)", path):
            known = {"id": REPO, "sha": self.sha, "siblings": [], "private": False, "gated": False, "tags": []}
            return self.send(request, 200, json.dumps(known).encode(), {"Content-Type": "application/json"})
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
        self.send_head(request, status, {"Content-Length": str(len(data)), **headers})
        request.wfile.write(data)

    def send_head(self, request, status, headers):
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()

    @staticmethod
    def tag(file):
        return hashlib.sha1(f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}".encode()).hexdigest()

    def send_file(self, request, file, body):
        """Send a file, or the part of it that is asked for, as the settings have it."""
        self.requests[file.name] += 1
        settings = self.storage_of or self
        if body and time.time() < settings.busy_until:
            settings.early += 1  # somebody did not wait
        if settings.broken and body:
            settings.broken -= 1
            status, after = settings.busy
            settings.busy_until = until(after)
            return self.send(request, status, b"", {} if after is None else {"Retry-After": after})
        if self.refused and request.headers.get("Range"):
            return self.send(request, self.refused, b"", {})
        start, end = 0, file.stat().st_size
        headers = {"ETag": f'"{self.tag(file)}"', "X-Repo-Commit": self.sha}
        if self.ranges:
            headers["Accept-Ranges"] = "bytes"
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range") or "")
        ranged = asked and self.ranges and "Content-Length" not in self.odd
        if ranged:
            size, start = end, int(asked[1])
            if start >= size:
                return self.send(request, 416, b"", {"Content-Range": f"bytes */{size}"})
            end = min(size, int(asked[2]) + 1) if asked[2] else size
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if settings.instead and settings.instead(request, file, start, end):
            return None
        if "Location" in self.odd:
            return self.send(request, 302, b"", self.odd)
        headers = {"Content-Length": str(end - start), **headers, **self.odd}
        self.send_head(request, 206 if ranged else 200, {name: v for name, v in headers.items() if v is not None})
        if body:
            self.send_bytes(request, file, start, end)
        return None

    def send_bytes(self, request, file, start, end):
        """Send the body of an answer at the speed that is set, up to the byte where it is to break off."""
        settings = self.storage_of or self
        stop = end
        if self.cut_after is not None and file.name not in self.cut and end - start > self.cut_after:
            self.cut.add(file.name)
            stop = start + self.cut_after
        most = 1 if settings.trickle else 1 << 18 if settings.rate else 1 << 16
        self.now += 1
        self.most = max(self.most, self.now)
        began, position = time.monotonic(), start
        with open(file, "rb") as data, contextlib.suppress(OSError):  # the client has heard enough
            data.seek(start)
            while position < stop:
                if settings.rate:
                    time.sleep(max(0.0, began + (position - start) / settings.rate - time.monotonic()))
                if settings.trickle:
                    time.sleep(settings.trickle)
                chunk = data.read(min(most, stop - position))
                if not chunk:  # the file has become shorter
                    break
                request.wfile.write(chunk)
                position += len(chunk)
                self.bytes[file.name] += len(chunk)
        self.now -= 1
        if position < end:
            if self.after:
                self.after()
            request.close_connection = True
            request.connection.close()
