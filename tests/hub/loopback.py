"""A Hugging Face Hub on 127.0.0.1, in memory, for the real huggingface_hub client.

It serves models, Spaces, and the Parquet copies of data sets; plain LFS only (run the client
with HF_HUB_DISABLE_XET=1).
In a test:

    with LoopbackHub(users={"hf_alice": "alice"}) as hub:
        HfApi(endpoint=hub.url, token="hf_alice").create_repo("alice/ae")

By hand: `python -m tests.hub.loopback --port 0` prints the URL to put into HF_ENDPOINT;
the tokens are hf_alice and hf_bob.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from tests.hub.loopback_repos import File, LoopbackError, Repo, front_matter

ONLY_IN_FULL = {"author", "sha", "lastModified", "siblings"}  # a listing has these with ?full= only
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
}
PARTS = {
    "repo": "[^/]+/[^/]+",
    "rev": "[^/]+",
    "name": "[^/]+",
    "path": ".+",
    "oid": "[0-9a-f]{64}",
    "job": "job[0-9]+",
}


class Reply(NamedTuple):
    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = {}


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    content = {"Content-Type": "application/json", **(headers or {})}
    return Reply(json.dumps(value, default=str).encode(), status, content)


class LoopbackHub:
    """The repositories, the users (token -> name) and the server.

    `requests` holds (method, path) of each request, and no tokens.
    """

    def __init__(
        self, users: Mapping[str, str], read_only: Collection[str] = (), port: int = 0
    ) -> None:
        self.users = dict(users)
        self.read_only = read_only  # tokens that may not write
        self.repos: dict[str, Repo] = {}
        self.spaces: dict[str, Repo] = {}
        self.requests: list[tuple[str, str]] = []
        self.datasets: dict[
            str, dict[str, list[bytes]]
        ] = {}  # the Parquet files of each split, by repository
        self.private_datasets: set[str] = set()
        self.lists_sizes = self.tells_sizes = True  # of files: in listings, and to a HEAD
        self.lfs_threshold = (
            10_000_000  # bytes; any larger file goes to LFS, and so does every *.safetensors
        )
        self.lock = threading.Lock()
        self._server = Server(("127.0.0.1", port), type("BoundHandler", (Handler,), {"hub": self}))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Hang up: from now on connections are refused. May be called early, and twice."""
        self._server.shutdown()
        self._server.server_close()

    def is_lfs(self, path: str, size: int) -> bool:
        return path.endswith(".safetensors") or size > self.lfs_threshold

    def put_file(self, repo_id: str, path: str, data: bytes, branch: str = "main") -> str:
        """Commit `data` unchecked, creating the repository if need be; return the commit's sha."""
        with self.lock:
            repo = self.repos.setdefault(repo_id, Repo(repo_id))
            file = File(data, self.is_lfs(path, len(data)))
            return repo.commit(branch, {**repo.at(branch).files, path: file}).sha


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # the client opens eight connections at once

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what went wrong, unless the client has hung up, or was killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


Route = Callable[..., Reply]


ROUTES: list[tuple[str, re.Pattern[str], Route]] = []


def route(method: str, template: str) -> Callable[[Route], Route]:
    pattern = re.sub(r"{(\w+)}", lambda match: f"(?P<{match[1]}>{PARTS[match[1]]})", template)

    def register(function: Route) -> Route:
        ROUTES.append((method, re.compile(pattern), function))
        return function

    return register


class Handler(BaseHTTPRequestHandler):
    """Answer one request a connection, so that a client that pools them loses a stopped Hub."""

    hub: LoopbackHub
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        url = urlsplit(self.path)
        self.hub.requests.append((self.command, url.path))
        self.query = parse_qs(url.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self.token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            if self.token and self.token not in self.hub.users:
                raise LoopbackError(401, "Invalid credentials in Authorization header")
            self.user = self.hub.users.get(self.token)
            reply = self.dispatch(url.path)
        except LoopbackError as error:
            reply = as_json(error.body, error.status, error.headers)
        except (KeyError, TypeError, ValueError) as error:
            reply = as_json({"error": f"Malformed request: {error!r}"}, 400)
        if reply.status:  # 0: a stream that has been sent
            self.send(reply)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def do_OPTIONS(self) -> None:
        """Allow a page of another origin what it asks for."""
        self.send(Reply(b"", 204, PREFLIGHT))

    def dispatch(self, path: str) -> Reply:
        method = "GET" if self.command == "HEAD" else self.command
        self.shelf, self.below = self.hub.repos, ""
        if match := re.fullmatch(r"(/api)?/spaces(/.+)", path):  # what models answer to, Spaces do
            self.shelf, self.below = self.hub.spaces, "/spaces"
            path = f"/api/models{match[2]}" if match[1] else match[2]
        for wanted, pattern, function in ROUTES:
            if wanted == method and (match := pattern.fullmatch(path)):
                with self.hub.lock:
                    return function(self, *map(unquote, match.groups()))
        raise LoopbackError(404, f"The loopback Hub does not know {self.command} {path}")

    def send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        always = {"Content-Length": str(len(reply.body)), "Connection": "close"}
        if self.command == "HEAD" and not self.hub.tells_sizes:
            del always["Content-Length"]
        if "Origin" in self.headers:
            always["Access-Control-Allow-Origin"] = self.headers["Origin"]
        for name, value in {**reply.headers, **always}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: `hub.requests` is the log."""

    def asked(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value

    def readable(self, repo_id: str) -> Repo:
        repo = self.shelf.get(repo_id)
        if repo is None or (repo.private and repo.owner != self.user):
            # Like the real Hub: 401 for a stranger without a token; the client calls both
            # "not found".
            raise LoopbackError(404 if self.user else 401, "Repository not found", "RepoNotFound")
        return repo

    def writable(self, repo_id: str) -> Repo:
        repo = self.readable(repo_id)
        self.check_writer(repo.owner)
        return repo

    def check_writer(self, namespace: str) -> None:
        if self.user is None:
            raise LoopbackError(401, "Invalid username or password.")
        if self.user != namespace or self.token in self.hub.read_only:
            raise LoopbackError(
                403, f"This token has no right to write under the namespace {namespace}."
            )

    @route("GET", "/api/whoami-v2")
    def whoami(self) -> Reply:
        if self.user is None:
            raise LoopbackError(401, "Invalid username or password.")
        auth = {"accessToken": {"role": "read" if self.token in self.hub.read_only else "write"}}
        return as_json(
            {"type": "user", "name": self.user, "fullname": self.user, "orgs": [], "auth": auth}
        )

    @route("POST", "/api/validate-yaml")
    def validate_yaml(self) -> Reply:
        try:
            card = front_matter(self.asked()["content"])
        except yaml.YAMLError as error:
            return as_json({"error": "Bad YAML", "errors": [{"message": str(error)}]}, 400)
        missing = {"message": "empty or missing yaml metadata in repo card"}
        return as_json({"warnings": [] if card else [missing]})

    @route("POST", "/api/repos/create")
    def create_repo(self) -> Reply:
        asked = self.asked()
        repo_id = f"{asked.get('organization') or self.user}/{asked['name']}"
        self.check_writer(repo_id.split("/")[0])
        kind, sdk = asked.get("type", "model"), asked.get("sdk", "")
        if kind not in ("model", "space") or (kind == "space") != bool(sdk):
            raise LoopbackError(400, f"A {kind} with the sdk {sdk!r} cannot be made.")
        shelf, below = (self.hub.spaces, "/spaces") if kind == "space" else (self.hub.repos, "")
        if repo_id in shelf:
            raise LoopbackError(
                409, f"You already created this {kind} repo", url=f"{self.hub.url}{below}/{repo_id}"
            )
        shelf[repo_id] = Repo(repo_id, asked.get("visibility") == "private", sdk)
        return as_json({"url": f"{self.hub.url}{below}/{repo_id}"})

    @route("DELETE", "/api/repos/delete")
    def delete_repo(self) -> Reply:
        asked = self.asked()
        del self.hub.repos[
            self.writable(f"{asked.get('organization') or self.user}/{asked['name']}").id
        ]
        return Reply()

    @route("GET", "/api/models")
    def list_models(self) -> Reply:
        """List the models this user may see that carry every ?filter= tag.

        The newest come first unless ?sort= is given.
        """
        one = {key: values[0] for key, values in self.query.items()}
        seen = [
            repo for repo in self.hub.repos.values() if not repo.private or repo.owner == self.user
        ]
        models = [
            model
            for model in (repo.info(repo.at("main")) for repo in seen)
            if set(self.query.get("filter", [])) <= set(model["tags"])
            and one.get("author", model["author"]) == model["author"]
            and one.get("search", "").lower() in model["id"].lower()
        ]
        models.sort(key=lambda model: model.get(one.get("sort", "createdAt"), 0), reverse=True)
        hidden = (set() if "full" in one else ONLY_IN_FULL) | (
            set() if "cardData" in one else {"cardData"}
        )
        hidden -= set(self.query.get("expand", []))
        page = models[: int(one.get("limit", 1000))]
        return as_json([{key: model[key] for key in model if key not in hidden} for model in page])

    @route("GET", "/api/models/{repo}")
    @route("GET", "/api/models/{repo}/revision/{rev}")
    def model_info(self, repo_id: str, revision: str = "main") -> Reply:
        repo = self.readable(repo_id)
        blobs = "blobs" in self.query and self.hub.lists_sizes
        return as_json(repo.info(repo.at(revision), blobs=blobs))

    @route("POST", "/api/models/{repo}/branch/{name}")
    def create_branch(self, repo_id: str, name: str) -> Reply:
        return self.name_revision(repo_id, name, self.asked().get("startingPoint", "main"))

    @route("POST", "/api/models/{repo}/tag/{rev}")
    def create_tag(self, repo_id: str, revision: str) -> Reply:
        return self.name_revision(repo_id, self.asked()["tag"], revision)

    def name_revision(self, repo_id: str, name: str, revision: str) -> Reply:
        repo = self.writable(repo_id)
        if name in repo.revisions:
            raise LoopbackError(409, f"Reference {name} already exists")
        repo.revisions[name] = repo.at(revision)
        return Reply()

    @route("GET", "/api/models/{repo}/tree/{rev}")
    def tree(self, repo_id: str, revision: str) -> Reply:
        """Every file below the root: the client asks for nothing else to take a snapshot."""
        files = sorted(self.readable(repo_id).at(revision).files.items())
        return as_json(
            [{"type": "file", "path": path, "oid": f.oid} | f.about() for path, f in files]
        )

    @route("POST", "/api/models/{repo}/preupload/{rev}")
    def preupload(self, repo_id: str, revision: str) -> Reply:
        """Tell how each file is to be sent, and the oid that is there now.

        The client skips files with equal oids.
        """
        known = self.writable(repo_id).at(revision).files

        def plan(path: str, size: int) -> dict[str, Any]:
            mode = "lfs" if self.hub.is_lfs(path, size) else "regular"
            oid = known[path].oid if path in known else None
            return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid}

        return as_json(
            {"files": [plan(file["path"], file["size"]) for file in self.asked()["files"]]}
        )

    @route("POST", "/{repo}.git/info/lfs/objects/batch")
    def lfs_batch(self, repo_id: str) -> Reply:
        repo = self.writable(repo_id)
        objects = [
            {"oid": wanted["oid"], "size": wanted["size"]} for wanted in self.asked()["objects"]
        ]
        for missing in (wanted for wanted in objects if wanted["oid"] not in repo.lfs):
            href = {"href": f"{self.hub.url}{self.below}/lfs/{repo_id}/{missing['oid']}"}
            missing["actions"] = {"upload": href, "verify": href}
        return as_json({"transfer": "basic", "objects": objects})

    @route("PUT", "/lfs/{repo}/{oid}")
    def lfs_upload(self, repo_id: str, oid: str) -> Reply:
        """No token comes with this one: on the real Hub it is a signed address of the storage."""
        if self.token:
            raise LoopbackError(400, "Only one auth mechanism is allowed.")
        file = File(self.body, lfs=True)
        if file.oid != oid:
            raise LoopbackError(400, f"The sha256 of the content is {file.oid}, expected {oid}.")
        self.shelf[repo_id].lfs[oid] = file
        return Reply()

    @route("POST", "/lfs/{repo}/{oid}")
    def lfs_verify(self, repo_id: str, oid: str) -> Reply:
        file = self.writable(repo_id).lfs.get(oid)
        if file is None or len(file.data) != self.asked()["size"]:
            raise LoopbackError(404, f"The LFS object {oid} was not uploaded.")
        return Reply()

    @route("POST", "/api/models/{repo}/commit/{rev}")
    def commit(self, repo_id: str, branch: str) -> Reply:
        repo = self.writable(repo_id)
        head = repo.at(branch)
        header, *changes = map(json.loads, self.body.splitlines())
        if branch == head.sha or "create_pr" in self.query:
            raise LoopbackError(400, f"The loopback Hub commits to branches only, got {branch!r}.")
        if header["value"].get("parentCommit", head.sha) != head.sha:
            raise LoopbackError(412, "A commit has happened since. Please refresh and try again.")
        files = dict(head.files)
        for line in changes:
            repo.change(files, line["key"], line["value"]["path"], line["value"])
        sha = repo.commit(branch, files).sha
        return as_json(
            {"commitOid": sha, "commitUrl": f"{self.hub.url}{self.below}/{repo_id}/commit/{sha}"}
        )

    def dataset(self, repo_id: str) -> dict[str, list[bytes]]:
        hidden = repo_id in self.hub.private_datasets and repo_id.split("/")[0] != self.user
        if hidden or repo_id not in self.hub.datasets:
            raise LoopbackError(404 if self.user else 401, "Repository not found", "RepoNotFound")
        return self.hub.datasets[repo_id]

    @route("GET", "/api/datasets/{repo}/parquet")
    def parquet(self, repo_id: str) -> Reply:
        """List the addresses of the files of each split, under the only configuration."""
        base = f"{self.hub.url}/api/datasets/{repo_id}/parquet/default"
        splits = self.dataset(repo_id).items()
        return as_json(
            {
                "default": {
                    name: [f"{base}/{name}/{i}" for i in range(len(files))]
                    for name, files in splits
                }
            }
        )

    @route("GET", "/api/datasets/{repo}/parquet/default/{name}/{rev}")
    def parquet_file(self, repo_id: str, split: str, number: str) -> Reply:
        return Reply(self.dataset(repo_id)[split][int(number)])

    @route("GET", "/{repo}/resolve/{rev}/{path}")
    def resolve(self, repo_id: str, revision: str, path: str) -> Reply:
        """A file's bytes, or the wanted range of them."""
        commit = self.readable(repo_id).at(revision)
        headers = {"X-Repo-Commit": commit.sha, "Accept-Ranges": "bytes"}
        if path not in commit.files:
            missing = LoopbackError(404, "Entry not found", "EntryNotFound")
            return as_json(missing.body, 404, headers | missing.headers)
        data, headers["ETag"] = commit.files[path].data, f'"{commit.files[path].oid}"'
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if match is None:
            return Reply(data, 200, headers)
        start, stop = int(match[1]), min(int(match[2] or len(data)) + 1, len(data))
        if start >= stop:
            return Reply(b"", 416, headers | {"Content-Range": f"bytes */{len(data)}"})
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        return Reply(data[start:stop], 206, headers)


def main() -> None:
    parser = argparse.ArgumentParser(description="A Hugging Face Hub on 127.0.0.1, in memory.")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one")
    port = parser.parse_args().port
    with (
        LoopbackHub({"hf_alice": "alice", "hf_bob": "bob"}, port=port) as hub,
        suppress(KeyboardInterrupt),
    ):
        print(hub.url, flush=True)  # noqa: T201
        threading.Event().wait()


if __name__ == "__main__":
    main()
