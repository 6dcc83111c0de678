"""The whole way with every folder in a bucket: the same results as with local folders, by the same commands."""

import io
from uuid import uuid4

import httpx
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.page import serve
from labelsieve.places import paths, working_copy

pytestmark = pytest.mark.cluster
RUN = "s3://pictures/photos.sieve"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A local folder of 60 digits in two classes, every tenth with a wrong label."""
    data, root = load_digits(n_class=2), tmp_path_factory.mktemp("data") / "photos"
    for i in range(60):
        out = io.BytesIO()
        Image.fromarray((data.images[i] * 15).astype(np.uint8)).resize((32, 32)).save(out, "PNG")
        paths.write(str(root / f"{(data.target[i] + (i % 10 == 0)) % 2}" / f"{i:03d}.png"), out.getvalue())
    return root


@pytest.fixture
def bucket(s3, photos, tmp_path, monkeypatch):
    """The same folder at s3://pictures/photos."""
    monkeypatch.setenv("LABELSIEVE_COPIES", str(tmp_path / "copies"))
    working_copy._open.clear()
    files = paths.files_below(str(photos))
    paths.write_all([(f"s3://pictures/photos/{file.name}", (photos / file.name).read_bytes()) for file in files])
    s3.requests.clear()
    return s3


def another_machine(tmp_path, monkeypatch, name="other"):
    monkeypatch.setenv("LABELSIEVE_COPIES", str(tmp_path / name))
    working_copy._open.clear()


def run(*arguments):
    assert main([str(one) for one in arguments]) == 0


def names(address):
    return [file.name for file in paths.files_below(address)]


def decide(page, *acts):
    """Decide in the page, as the browser does: (row, act) each."""
    body = {"batch": str(uuid4()), "pick": "ranked", "blind": False, "acts": [{"i": i, "act": act} for i, act in acts]}
    with httpx.Client(base_url=page.url, trust_env=False, headers={"X-Reviewer": "ann"}) as client:
        assert client.post("/api/decisions", json=body).raise_for_status().json()["saved"] == len(acts)


@pytest.fixture
def open_review(monkeypatch):
    """`ls.review` without a browser; the page itself need not be built."""
    monkeypatch.setattr(serve, "STATIC", Built())
    pages = []

    def opened(run, **options):
        pages.append(ls.review(run, block=False, browser=False, port=0, **options))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


class Built:
    def __truediv__(self, name):
        return self

    def exists(self):
        return True


def test_shards_that_jobs_left_at_the_address_are_used(bucket, tmp_path, monkeypatch):
    for job in (0, 1):
        run("encode", "s3://pictures/photos", "-o", RUN, "--fast", "--shard", f"{job}/2")
    another_machine(tmp_path, monkeypatch)
    bucket.requests.clear()
    run("find", "s3://pictures/photos", "-o", RUN, "--encoder", "fast")
    shards = [name for name in names(RUN) if "/shard-" in name]
    written = [path for method, path, _ in bucket.requests if method == "PUT"]
    assert shards and not [path for path in written if "/shard-" in path]
    assert "findings.parquet" in names(RUN)


def test_the_whole_way(bucket, photos, tmp_path, monkeypatch, capsys, open_review):
    run("find", "s3://pictures/photos", "-o", RUN, "--encoder", "fast")
    told = capsys.readouterr().out
    assert "labelsieve review s3://pictures/photos.sieve" in told and str(tmp_path) not in told
    local = tmp_path / "local.sieve"
    run("find", photos, "-o", local, "--encoder", "fast")
    assert paths.read(f"{RUN}/findings.parquet") == (local / "findings.parquet").read_bytes()
    assert "lease.json" not in names(RUN)

    another_machine(tmp_path, monkeypatch)
    with open_review(RUN) as page:
        shown = Image.open(io.BytesIO(httpx.get(f"{page.url}thumb/7.webp", trust_env=False).content)).convert("L")
        assert (np.asarray(shown) == np.asarray(Image.open(photos / ls.open_run(RUN).findings.ids[7]))).all()
        decide(page, (0, "exclude"), (1, "keep"), (2, "exclude"))
        assert "lease.json" in names(RUN)
    assert page.reviewed.reviewed == 3
    assert "decisions.sqlite" in names(RUN) and "lease.json" not in names(RUN)

    another_machine(tmp_path, monkeypatch, "third")
    bucket.requests.clear()
    assert len(ls.open_run(RUN).decisions) == 3
    assert not [path for _, path, _ in bucket.requests if "/evidence/" in path or "/features/" in path]
    capsys.readouterr()
    run("report", RUN)
    assert f"{RUN}/report.html: " in capsys.readouterr().out
    html = paths.read(f"{RUN}/report.html").decode()
    assert str(tmp_path) not in html and "data:image/" in html
    run("export", RUN, "--to", "label-studio", "-o", "s3://pictures/out/tasks.json")
    beside = ["tasks.config.xml", "tasks.json"]
    assert names("s3://pictures/out") == beside
    told = capsys.readouterr().out
    assert all(f"s3://pictures/out/{name}" in told for name in beside) and "/tmp" not in told
    paths.write("s3://pictures/out/other.config.xml", b"mine")
    assert main(["export", RUN, "--to", "label-studio", "-o", "s3://pictures/out/other.json"]) == 2
    assert "s3://pictures/out/other.config.xml already exists" in capsys.readouterr().err
    assert paths.read("s3://pictures/out/other.config.xml") == b"mine" and len(names("s3://pictures/out")) == 3
    run("apply", RUN, "--out", "s3://pictures/clean")
    clean = names("s3://pictures/clean")
    assert len([name for name in clean if name.endswith(".png")]) == 58 and "patch.csv" in clean
    assert len(ls.load("s3://pictures/clean")) == 58
    capsys.readouterr()
    train = ["--method", "standard", "--epochs", 1, "--features", "--encoder", "fast", "--device", "cpu"]
    run("train", "s3://pictures/clean", "-o", "s3://pictures/photos.model", *train)
    assert "s3://pictures/photos.model: standard" in capsys.readouterr().out
    run("predict", "s3://pictures/photos.model", "s3://pictures/photos", "-o", "s3://pictures/predictions.csv")
    assert paths.read("s3://pictures/predictions.csv").count(b"\n") == 61


@pytest.mark.parametrize("command", [["review"], ["report"], ["accept", "--max-error", "3%"]])
def test_a_missing_run_is_named_by_its_address(bucket, capsys, command):
    assert main([command[0], "s3://pictures/none.sieve", *command[1:]]) == 2
    assert "s3://pictures/none.sieve is not a run folder of Labelsieve" in capsys.readouterr().err
