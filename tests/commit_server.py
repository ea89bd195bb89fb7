"""A Hub on 127.0.0.1 that takes repositories, uploads and commits, and serves what it took.

As much of the protocol as `huggingface_hub` and `datasets` use for one owner's dataset repositories: create, info,
tree, preupload, LFS, commit, resolve with ranges.
"""

import base64
import hashlib
import json
import re
from urllib.parse import unquote, urlsplit

from hub_server import HubServer

TOKEN = "hf_test"


class CommitServer(HubServer):
    """`repos`: repository -> {"private": …}; its files are below `folder`. `log`: (method, path) of every request."""

    def __init__(self, folder):
        super().__init__(folder)
        self.repos, self.log, self.uploaded = {}, [], []

    def files(self, repo):
        below = self.folder / repo
        return {str(p.relative_to(below)): p for p in sorted(below.rglob("*")) if p.is_file()}

    def json(self, request, value, status=200):
        self.send(request, status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def answer(self, request, body):
        path = unquote(urlsplit(request.path).path)
        self.log.append((request.command, path))
        if path == "/api/repos/create":
            return self.create(request)
        if path == "/api/validate-yaml":
            return self.json(request, {"errors": [], "warnings": []})
        if path.startswith("/lfs/"):
            if hashlib.sha256(request.posted).hexdigest() != path[5:]:
                return self.refuse(request, 400, "BadUpload")
            self.uploaded.append(path[5:])
            self.store(path[5:]).write_bytes(request.posted)
            return self.json(request, {})
        match = re.fullmatch(r"(/api)?/datasets/([\w.-]+/[\w.-]+?)(?:\.git)?(?:/([\w-]+)(?:/(.*))?)?", path)
        if not match or match[2] not in self.repos:
            return self.refuse(request, 404, "RepoNotFound")
        repo, what, rest = match[2], match[3] or "revision", match[4] or ""
        if self.repos[repo]["private"] and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.refuse(request, 401, "RepoNotFound")
        if what == "resolve":
            file, self.sha = self.folder / repo / rest.split("/", 1)[1], self.commit_id(repo)
            return self.send_file(request, file, body) if file.is_file() else self.refuse(request, 404, "EntryNotFound")
        return getattr(self, what.replace("-", "_"))(request, repo, rest)

    def create(self, request):
        asked = json.loads(request.posted)
        repo = f"{asked['organization']}/{asked['name']}"
        status = 409 if repo in self.repos else 200
        private = asked.get("private") or asked.get("visibility") == "private"  # older and newer clients
        self.repos.setdefault(repo, {"private": bool(private)})
        self.json(request, {"url": f"{self.url}/datasets/{repo}"}, status)

    def revision(self, request, repo, rest):
        siblings = [{"rfilename": name} for name in self.files(repo)]
        info = {"id": repo, "sha": self.commit_id(repo), "tags": [], "siblings": siblings, **self.repos[repo]}
        self.json(request, info)

    def commit_id(self, repo):
        return hashlib.sha1(json.dumps([(n, self.tag(p)) for n, p in self.files(repo).items()]).encode()).hexdigest()

    def entry(self, name, file):
        return {"type": "file", "path": name, "size": file.stat().st_size, "oid": self.tag(file)}

    def tree(self, request, repo, rest):
        below = "".join(part + "/" for part in rest.split("/")[1:] if part)
        files = {name: file for name, file in self.files(repo).items() if name.startswith(below)}
        if below and not files:
            return self.refuse(request, 404, "EntryNotFound")
        entries = {}
        for name, file in files.items():
            parts = name[len(below) :].split("/")
            for n in range(1, len(parts)):
                folder = below + "/".join(parts[:n])
                entries[folder] = {
                    "type": "directory",
                    "path": folder,
                    "oid": hashlib.sha1(folder.encode()).hexdigest(),
                    "size": 0,
                }
            entries[name] = self.entry(name, file)
        if "recursive=true" not in request.path.lower():
            entries = {name: entry for name, entry in entries.items() if "/" not in name[len(below) :]}
        return self.json(request, list(entries.values()))

    def paths_info(self, request, repo, rest):
        posted = request.posted.decode()
        asked = (
            json.loads(posted)["paths"]
            if posted.startswith("{")
            else [unquote(p[6:]) for p in posted.split("&") if p[:6] == "paths="]
        )
        found = [self.entry(name, file) for name, file in self.files(repo).items() if name in asked]
        folders = {a for a in asked if any(name.startswith(a + "/") for name in self.files(repo))}
        found += [{"type": "directory", "path": a, "oid": "0" * 40, "size": 0} for a in sorted(folders)]
        self.json(request, found)

    def preupload(self, request, repo, rest):
        asked = json.loads(request.posted)["files"]
        modes = [("lfs" if f["path"].endswith((".parquet", ".tar")) else "regular") for f in asked]
        self.json(
            request,
            {
                "files": [
                    {"path": f["path"], "uploadMode": m, "shouldIgnore": False, "oid": None}
                    for f, m in zip(asked, modes)
                ]
            },
        )

    def store(self, oid):
        folder = self.folder / ".lfs"
        folder.mkdir(exist_ok=True)
        return folder / oid

    def info(self, request, repo, rest):
        objects = []
        for entry in json.loads(request.posted)["objects"]:
            if not self.store(entry["oid"]).is_file():
                entry = {**entry, "actions": {"upload": {"href": f"{self.url}/lfs/{entry['oid']}"}}}
            objects.append(entry)
        self.json(request, {"transfer": "basic", "objects": objects})

    def commit(self, request, repo, rest):
        url, opened = f"{self.url}/datasets/{repo}/commit/0", {}
        if "create_pr=1" in request.path:  # what is proposed stands beside the repository, which stays as it is
            opened = {"pullRequestUrl": f"{self.url}/datasets/{repo}/discussions/1"}
            repo = f"{repo}.pr"
        for line in request.posted.decode().splitlines():
            entry = json.loads(line)
            value = entry["value"]
            file = self.folder / repo / value.get("path", "")
            if entry["key"] == "deletedFile":
                file.unlink()
            elif entry["key"] in ("file", "lfsFile"):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(
                    base64.b64decode(value["content"])
                    if entry["key"] == "file"
                    else self.store(value["oid"]).read_bytes()
                )
        self.json(request, {"commitUrl": url, "commitOid": self.commit_id(repo), "success": True, **opened})
