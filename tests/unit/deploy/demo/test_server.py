"""Whatever it is sent, the demo's server answers, or refuses with a sentence and a 4xx."""

import io
import json
import random
import socket
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sfsc.deploy.accuracy import embed_split
from sfsc.deploy.demo import server
from sfsc.deploy.demo.exhibits import Exhibits
from sfsc.deploy.demo.server import serve
from sfsc.errors import ConfigError

MANY = 300
"""Requests in sequence."""


def bomb(width: int, height: int) -> bytes:
    """Return a small PNG file of many pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    lines = zlib.compress(bytes(height * (1 + (width + 7) // 8)), 9)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", lines), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg(side: int = 64) -> bytes:
    """Return a photograph."""
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_query_goes_all_the_way(client, exhibits: Exhibits):
    """Pixels, embedding and hits are those that Python computes; the page is told the times."""
    about = json.loads(client.ask("/about").body)
    assert [model["key"] for model in about["models"]] == ["0.25", "1"]
    assert (about["queries"], about["gallery"], about["embedding_dim"]) == (32, 32, 8)
    assert about["method"] == "SFSC"
    pixels = client.ask("/pixels/query/5")
    np.testing.assert_array_equal(
        np.frombuffer(pixels.body, np.uint8).reshape(16, 16, 3),
        exhibits.prepared.images[exhibits.queries[5]],
    )
    embedded = client.ask("/embeddings?model=0.25", pixels.body)
    vector = embed_split(exhibits.models["0.25"].embedder, exhibits.prepared, "query")[5]
    np.testing.assert_allclose(embedded.floats, vector, atol=1e-6)
    found = client.ask("/search?query=5", embedded.body)
    hits = json.loads(found.body)["hits"]
    assert [hit["image"] for hit in hits] == [h.image for h in exhibits.search(vector, 5).hits]
    for reply in (embedded, found):
        assert float(reply.headers["Server-Timing"].split("dur=")[1]) > 0


def test_a_photograph_becomes_the_pixels_of_the_training(client, exhibits: Exhibits):
    """Decoded and resized as an export's users do it."""
    reply = client.ask("/photographs", jpeg())
    assert reply.status == 200
    assert reply.body == exhibits.full.read(jpeg()).tobytes()


def test_pictures_models_and_the_page_are_served(client, exhibits: Exhibits):
    """And nothing may load anything from elsewhere."""
    with Image.open(io.BytesIO(client.ask("/pictures/gallery/3.png").body)) as picture:
        expected = exhibits.prepared.images[exhibits.gallery[3]]
        np.testing.assert_array_equal(np.asarray(picture), expected)
    assert client.ask("/models/1.onnx").body == exhibits.models["1"].file.read_bytes()
    for path in ("/", "/page/demo.js", "/page/embedding.js", "/page/demo.css", "/page/icon.svg"):
        reply = client.ask(path)
        assert reply.status == 200
        policy = reply.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")
        assert "http" not in policy
        assert b"http://" not in reply.body.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"https://" not in reply.body


def test_a_missing_runtime_is_told(client, monkeypatch: pytest.MonkeyPatch, tmp_path):
    """The page then lets the server embed."""
    monkeypatch.setattr(server, "RUNTIME", tmp_path)
    assert json.loads(client.ask("/about").body)["has_runtime"] is False
    assert client.ask("/runtime/ort.wasm.min.mjs").status == 404
    for name in server.RUNTIME_FILES:
        (tmp_path / name).write_text(name)
    assert json.loads(client.ask("/about").body)["has_runtime"] is True
    assert client.ask("/runtime/ort.wasm.min.mjs").body == b"ort.wasm.min.mjs"
    (tmp_path / "other.mjs").touch()
    assert client.ask("/runtime/other.mjs").status == 404


UNIT = np.eye(1, 8, dtype="<f4")


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/nothing", None, 404, "Not Found"),
        ("/page/../server.py", None, 404, "Not Found"),
        ("/page/..%2fserver.py", None, 404, "Not Found"),
        ("/page/server.py", None, 422, "Found `name`."),
        ("/runtime/%2e%2e%2fpackage.json", None, 404, "Not Found"),
        ("/runtime/package.json", None, 404, "Found no such file."),
        ("/models/..%2f..%2fspace.onnx", None, 404, "Not Found"),
        ("/models/0.5.onnx", None, 404, "A model must be one of 0.25, 1. Found another."),
        ("/pictures/query/32.png", None, 404, "There are 32 such images. Found number 32."),
        ("/pictures/query/-1.png", None, 404, "There are 32 such images. Found number -1."),
        ("/pictures/train/0.png", None, 422, "Found `split`."),
        ("/pixels/query/x", None, 422, "Found `place`."),
        ("/embeddings", b"", 422, "Found `model`."),
        ("/embeddings?model=2", bytes(768), 404, "A model must be one of 0.25, 1. Found another."),
        ("/embeddings?model=1", bytes(767), 400, "must have 768 bytes. Found 767."),
        ("/embeddings?model=1", bytes(769), 413, "at most 768 bytes. Found more."),
        ("/search", bytes(31), 400, "must have 32 bytes. Found 31."),
        ("/search", bytes(32), 400, "An embedding must have length 1. Found another."),
        ("/search", UNIT.tobytes()[::-1], 400, "An embedding must have length 1."),
        ("/search", (UNIT * np.nan).tobytes(), 400, "An embedding must have length 1."),
        ("/search", (UNIT * 3e38).tobytes(), 400, "An embedding must have length 1."),
        ("/search?query=32", UNIT.tobytes(), 404, "There are 32 queries. Found 32."),
        ("/search?query=1e9", UNIT.tobytes(), 422, "Found `query`."),
        ("/photographs", b"", 400, "Found: another format."),
        ("/photographs", b"<svg onload='alert(1)'/>", 400, "Found: another format."),
        ("/photographs", b"<html><script>", 400, "Found: another format."),
        ("/photographs", b"GIF89a" + bytes(50), 400, "Found: another format."),
        ("/photographs", jpeg()[:-200], 400, "The photograph must be a whole JPEG"),
        ("/photographs", bomb(10_001, 10_000), 400, "at most 64 megapixels. Found"),
        ("/photographs", bomb(20_000, 20_000), 400, "at most 64 megapixels. Found"),
        ("/photographs", bytes(20_000_001), 413, "at most 20,000,000 bytes. Found more."),
    ],
)
def test_a_hostile_request_is_refused_with_a_sentence(
    client, path: str, body: bytes | None, status: int, sentence: str
):
    """Its status is 4xx; the server goes on."""
    reply = client.ask(path, body)
    assert (reply.status, sentence in reply.error) == (status, True), reply.error
    assert client.ask("/about").status == 200


def test_another_method_is_refused(client):
    """Nothing can be changed."""
    assert client.ask("/about", method="DELETE").status == 405
    assert client.ask("/photographs", method="GET").status == 405


def test_a_page_under_another_name_is_refused(client):
    """A site whose name points to this machine may not read the images."""
    assert client.ask("/about", host="example.org").status == 400
    assert client.ask("/about", host="localhost").status == 200


@pytest.mark.filterwarnings("ignore")  # Pillow warns of damaged metadata, which do no harm
def test_a_mutated_photograph_is_decoded_or_refused(client):
    """There is no other answer."""
    rng, whole = random.Random(0), jpeg(16)  # noqa: S311 - no secret
    answers = set()
    for _ in range(100):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        answers.add(client.ask("/photographs", bytes(content)).status)
    assert answers <= {200, 400}


def test_many_requests_in_sequence_stay_fine(client):
    """The last is answered like the first."""
    pixels = client.ask("/pixels/query/0").body
    first = client.ask("/embeddings?model=1", pixels)
    for _ in range(MANY):
        assert client.ask("/search?query=0", first.body).status == 200
    assert client.ask("/embeddings?model=1", pixels).body == first.body


def test_an_address_that_is_taken_is_refused(exhibits: Exhibits):
    """With one sentence."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"Found 127.0.0.1 and {port}: Address already"):
            serve(exhibits, port=port)
    with pytest.raises(ConfigError, match=r"Found 127\.0\.0\.1 and 70000: .*0-65535"):
        serve(exhibits, port=70_000)
    with pytest.raises(ConfigError, match=r"Found 203\.0\.113\.1 and 0: "):
        serve(exhibits, host="203.0.113.1", port=0)
