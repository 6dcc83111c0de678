"""Label Studio for `real_tools.py`: a server with SQLite on 127.0.0.1. Two people annotate texts with two controls (one
answers with an alias, one skips), one annotates uploaded pictures; the JSON is exported, corrected by `apply`, imported
into a new project, exported again and counted."""

from __future__ import annotations

import http.cookiejar
import io
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import labelsieve as ls
from inside_tools import TEXTS

CHOICES = """<View><Text name="review" value="$body"/>
<Choices name="mood" toName="review" choice="single"><Choice value="Good mood" alias="good"/><Choice value="bad"/></Choices>
<Taxonomy name="theme" toName="review"><Choice value="Film"><Choice value="Drama"/><Choice value="Comedy"/></Choice></Taxonomy>
</View>"""  # noqa: E501
PICTURES = """<View><Image name="img" value="$image"/>
<Choices name="colour" toName="img"><Choice value="red"/><Choice value="blue"/></Choices></View>"""


class Server:
    """Label Studio on 127.0.0.1, and two people who are logged in."""

    def __init__(self, bin: Path, folder: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{free.getsockname()[1]}"
        environment = {
            **os.environ,
            "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
            "DJANGO_DB": "sqlite",
            "COLLECT_ANALYTICS": "false",
            "LATEST_VERSION_CHECK": "false",
        }
        command = [bin / "label-studio", "start", "--no-browser", "--internal-host", "127.0.0.1"]
        command += ["--port", self.address.rpartition(":")[2]]
        with open(folder / "server.log", "w") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.people: dict[str, urllib.request.OpenerDirector] = {}

    def enter(self, name: str) -> None:
        """Wait for the server and sign up."""
        jar = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        for _ in range(900):
            try:
                page = opener.open(f"{self.address}/user/signup", timeout=20).read().decode()
                break
            except OSError:
                time.sleep(1)
        else:
            raise SystemExit("Label Studio does not answer; see its server.log.")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token
        fields = {"email": f"{name}@example.org", "password": "correct horse 1", "csrfmiddlewaretoken": token[1]}
        fields |= {"allow_newsletters": "false"}
        opener.addheaders = [("Referer", self.address)]
        opener.open(f"{self.address}/user/signup", urllib.parse.urlencode(fields).encode(), timeout=60).read()
        self.people[name] = opener
        self._jars = {**getattr(self, "_jars", {}), name: jar}

    def call(self, who: str, path: str, body: Any = None, raw: tuple[str, bytes] | None = None) -> Any:
        token = next(cookie.value for cookie in self._jars[who] if cookie.name == "csrftoken")
        kind, data = raw or ("application/json", None if body is None else json.dumps(body).encode())
        headers = {"Content-Type": kind, "X-CSRFToken": token or "", "Referer": self.address}
        request = urllib.request.Request(f"{self.address}/api/{path}", data, headers)
        try:
            with self.people[who].open(request, timeout=120) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{path}: {error.code} {error.read()[:500]!r}") from error
        return json.loads(content) if content.lstrip()[:1] in (b"[", b"{") else content

    def export(self, project: int, kind: str = "JSON") -> bytes:
        answer = self.call("ana", f"projects/{project}/export?exportType={kind}&download_all_tasks=true")
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


def choice(name: str, shown: str, value: str, kind: str = "choices") -> dict[str, Any]:
    return {"from_name": name, "to_name": shown, "type": kind, "value": {kind: [value]}}


def label_studio(bin: Path, keep: Path | None) -> Iterator[tuple[str, bool, str]]:
    """What was tried, whether it is right, and what was found."""
    version = subprocess.run([bin / "pip", "show", "label-studio"], capture_output=True, text=True).stdout
    print(re.findall("Version: .*", version)[0])
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        server = Server(bin, work)
        try:
            server.enter("ana")
            server.enter("ben")
            texts = two_annotators(server)
            (work / "texts.json").write_bytes(server.export(texts))
            (work / "texts-min.json").write_bytes(server.export(texts, "JSON_MIN"))
            (work / "texts.csv").write_bytes(server.export(texts, "CSV"))
            pictures = uploaded(server)
            (work / "pictures.json").write_bytes(server.export(pictures))
            shutil.copytree(work / "media" / "upload" / str(pictures), work / "upload" / str(pictures))
            if keep:
                target = keep / "label_studio"
                target.mkdir(parents=True, exist_ok=True)
                for file in ("texts.json", "texts-min.json", "texts.csv", "pictures.json"):
                    shutil.copy(work / file, target / file)
                shutil.copytree(work / "upload", target / "upload", dirs_exist_ok=True)
            yield from round_trip(server, work, "texts", CHOICES, label="mood")
            yield from round_trip(server, work, "pictures", PICTURES)
        finally:
            server.process.terminate()
            server.process.wait(30)


def two_annotators(server: Server) -> int:
    project = server.call("ana", "projects", {"title": "texts", "label_config": CHOICES, "show_skip_button": True})[
        "id"
    ]
    tasks = [{"body": text, "id": f"r{i}", "label": "old"} for i, text in enumerate(TEXTS)]
    server.call("ana", f"projects/{project}/import", [{"data": task} for task in tasks])
    rows = server.call("ana", f"tasks?project={project}&page_size=100")["tasks"]
    for i, task in enumerate(sorted(rows, key=lambda task: task["id"])):
        truth = "good" if i % 2 == 0 else "bad"
        said = {"ana": truth, "ben": truth if i != 3 else "good"}
        for who, value in said.items():
            if who == "ben" and i == 5:
                continue
            skipped = i == 7
            theme = {"from_name": "theme", "to_name": "review", "type": "taxonomy"}
            theme["value"] = {"taxonomy": [["Film", "Drama" if i % 2 else "Comedy"]]}
            result = [] if skipped else [choice("mood", "review", value), theme]
            body = {"result": result, "was_cancelled": skipped, "lead_time": 1.0}
            server.call(who, f"tasks/{task['id']}/annotations", body)
    return project


def uploaded(server: Server) -> int:
    project = server.call("ana", "projects", {"title": "pictures", "label_config": PICTURES})["id"]
    for i in range(6):
        pixels = np.zeros((24, 24, 3), np.uint8)
        pixels[..., 0 if i % 2 else 2] = 200 + i
        picture = io.BytesIO()
        Image.fromarray(pixels).save(picture, "PNG")
        mark = uuid.uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="FILE"; filename="p{i}.png"\r\n'
        body = f"{head}Content-Type: image/png\r\n\r\n".encode() + picture.getvalue() + f"\r\n--{mark}--\r\n".encode()
        server.call("ana", f"projects/{project}/import", raw=(f"multipart/form-data; boundary={mark}", body))
    rows = server.call("ana", f"tasks?project={project}&page_size=100")["tasks"]
    for i, task in enumerate(sorted(rows, key=lambda task: task["id"])):
        said = "red" if i % 2 and i != 3 else "blue"
        server.call("ana", f"tasks/{task['id']}/annotations", {"result": [choice("colour", "img", said)]})
    return project


def round_trip(server: Server, work: Path, name: str, config: str, **roles: str) -> Iterator[tuple[str, bool, str]]:
    """Correct one label, import the copy into a new project, export it and count."""
    data = ls.load(work / f"{name}.json", **roles)
    print(name, data, "votes:", None if data.votes is None else len(data.votes))
    old = data.classes[data.labels[0]]
    new = next(known for known in data.classes if known != old)
    (work / "patch.csv").write_text(f"id,old,new\n{data.ids[0]},{old},{new}\n")
    clean = work / f"{name}-clean"
    print(" ", ls.apply(work / f"{name}.json", patch=work / "patch.csv", out=clean, **roles))
    project = server.call("ana", "projects", {"title": f"{name} again", "label_config": config})["id"]
    print(
        "  import:", server.call("ana", f"projects/{project}/import", json.loads((clean / f"{name}.json").read_text()))
    )
    back = work / f"{name}-back.json"
    back.write_bytes(server.export(project))
    tasks = json.loads(back.read_text())
    print("  tasks:", len(tasks), "annotations:", sum(len(task["annotations"]) for task in tasks), end=" ")
    print("predictions:", sum(len(task["predictions"]) for task in tasks), end=" ")
    print("annotators:", Counter(str(a["completed_by"]) for task in tasks for a in task["annotations"]))
    again = ls.load(back, **roles)
    before = dict(zip(data.ids, (data.classes[k] for k in data.labels), strict=True))
    after = dict(zip(again.ids, (again.classes[k] for k in again.labels), strict=True))
    if name == "texts":
        yield f"label-studio {name}", after == {**before, data.ids[0]: new}, f"{after}"
    changed = Counter(before.values())
    changed[old] -= 1
    changed[new] += 1
    yield f"label-studio {name}, its classes counted", Counter(after.values()) == +changed, f"{again}"
