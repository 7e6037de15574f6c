"""The demo's server: a static page, the exported models, pictures, and a search.

It answers this machine alone unless told otherwise. Whatever it is sent, it answers or refuses with
a sentence. The page may load nothing from elsewhere (`POLICY`).
"""

import contextlib
import io
import logging
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from numpy.typing import NDArray
from PIL import Image
from starlette.exceptions import HTTPException as NoRoute
from starlette.middleware.trustedhost import TrustedHostMiddleware

from sfsc.data.packed import read_images
from sfsc.deploy.demo.exhibits import Exhibits, Model
from sfsc.errors import ConfigError, DataError
from sfsc.provenance import SOURCE_ROOT
from sfsc.reporting.names import short_name

LOGGER = logging.getLogger(__name__)
PAGE = Path(__file__).parent / "page"
RUNTIME = SOURCE_ROOT / "demo/node_modules/onnxruntime-web/dist"
RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)
"""What the page needs of ONNX Runtime Web; `npm ci --prefix demo` installs it."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST_BYTES = 20_000_000
"""Largest photograph that is accepted."""
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""What the browser lets the page load: nothing from another host, no script in the page."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
BYTES = "application/octet-stream"
Split = Literal["query", "gallery"]
Headers = dict[str, str]
P = ParamSpec("P")
T = TypeVar("T")


def serve(exhibits: Exhibits, *, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve the page until interrupted.

    Args:
        exhibits: What to show.
        host: Address to listen on; another than this machine's own lets others in.
        port: 0 takes any that is free.

    Raises:
        ConfigError: If the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"`--host` and `--port` must be an address of this machine and a free port. Found "
                f"{host} and {port}: {getattr(error, 'strerror', None) or error}."
            ) from error
        shown = f"[{host}]" if ":" in host else host
        LOGGER.info("http://%s:%d  (Ctrl+C ends it)", shown, listener.getsockname()[1])
        if host not in LOOPBACK:
            LOGGER.warning("Everyone who can reach this machine can see the images.")
        app = build_app(exhibits, is_local=host in LOOPBACK)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up, as after Ctrl+C
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


def build_app(exhibits: Exhibits, *, is_local: bool = True) -> FastAPI:
    """Return the application.

    Args:
        exhibits: What to show.
        is_local: Whether to refuse requests under another name than this machine's own, by which a
            page of another site could read the images.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    if is_local:
        hosts = ["127.0.0.1", "localhost", "[::1]"]
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    _add_answers_to_mistakes(app)
    _add_files(app, exhibits)
    _add_pictures(app, exhibits)
    _add_search(app, exhibits)
    return app


def _add_answers_to_mistakes(app: FastAPI) -> None:
    @app.exception_handler(DataError)
    def refuse(_: Request, error: DataError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 400)

    @app.exception_handler(NoRoute)
    def refuse_request(_: Request, error: NoRoute) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code)

    @app.exception_handler(RequestValidationError)
    def refuse_values(_: Request, error: RequestValidationError) -> JSONResponse:
        keys = ", ".join(f"`{found['loc'][-1]}`" for found in error.errors())
        return JSONResponse({"error": f"The request must have valid values. Found {keys}."}, 422)

    @app.middleware("http")
    async def add_headers(
        request: Request, respond: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await respond(request)
        response.headers.update(HEADERS)
        return response


def _add_files(app: FastAPI, exhibits: Exhibits) -> None:
    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/page/{name}")
    def page_file(name: Literal["demo.css", "demo.js", "embedding.js", "icon.svg"]) -> FileResponse:
        return FileResponse(PAGE / name)

    @app.get("/runtime/{name}")
    def runtime_file(name: str) -> FileResponse:
        if name not in RUNTIME_FILES or not (RUNTIME / name).is_file():
            raise HTTPException(404, "ONNX Runtime Web must be installed. Found no such file.")
        return FileResponse(RUNTIME / name)

    @app.get("/models/{key}.onnx")
    def model_file(key: str) -> FileResponse:
        return FileResponse(_model(exhibits, key).file, media_type=BYTES)

    @app.get("/about")
    def about() -> dict[str, Any]:
        return _describe(exhibits)


def _describe(exhibits: Exhibits) -> dict[str, Any]:
    """Return what the page must know, as JSON values."""
    shared = {"dataset", "seed", "image_size", "image_channels", "embedding_dim"}
    description = exhibits.full.description
    return description.model_dump(mode="json", include=shared) | {
        "method": short_name(description.method),
        "models": [
            {"key": key, "bytes": model.file.stat().st_size, "map": model.map_against_full}
            for key, model in exhibits.models.items()
        ],
        "queries": len(exhibits.queries),
        "gallery": len(exhibits.gallery),
        "has_runtime": all((RUNTIME / name).is_file() for name in RUNTIME_FILES),
    }


def _add_pictures(app: FastAPI, exhibits: Exhibits) -> None:
    @app.get("/pictures/{split}/{place}.png")
    def picture(split: Split, place: int) -> Response:
        buffer = io.BytesIO()
        Image.fromarray(_pixels(exhibits, split, place).squeeze()).save(buffer, "PNG")
        headers = {"Cache-Control": "max-age=3600"}
        return Response(buffer.getvalue(), media_type="image/png", headers=headers)

    @app.get("/pixels/{split}/{place}")
    def pixels(split: Split, place: int) -> Response:
        return Response(_pixels(exhibits, split, place).tobytes(), media_type=BYTES)

    decoding = threading.Semaphore(1)  # a photograph takes up to a gigabyte of memory

    def decode(content: bytes) -> NDArray[np.uint8]:
        with decoding:
            return exhibits.full.read(content)

    @app.post("/photographs")
    async def photograph(request: Request) -> Response:
        decoded, headers = await _timed(decode, await _read_body(request, MOST_BYTES))
        return Response(decoded.tobytes(), headers=headers, media_type=BYTES)


def _pixels(exhibits: Exhibits, split: Split, place: int) -> NDArray[np.uint8]:
    """Return an image of the test set, (H, W, C)."""
    rows = exhibits.queries if split == "query" else exhibits.gallery
    if not 0 <= place < len(rows):
        raise HTTPException(404, f"There are {len(rows)} such images. Found number {place}.")
    image: NDArray[np.uint8] = read_images(exhibits.prepared.images, rows[[place]])[0]
    return image


def _add_search(app: FastAPI, exhibits: Exhibits) -> None:
    @app.post("/embeddings")
    async def embed(request: Request, model: str) -> Response:
        embedder = _model(exhibits, model).embedder
        description = embedder.description
        shape = (1, *description.image_size, description.image_channels)
        images = np.frombuffer(await _read_exactly(request, int(np.prod(shape))), np.uint8)
        vectors, headers = await _timed(embedder.embed, images.reshape(shape))
        return Response(vectors.tobytes(), headers=headers, media_type=BYTES)

    @app.post("/search")
    async def search(request: Request, query: int | None = None) -> Response:
        if query is not None and not 0 <= query < len(exhibits.queries):
            raise HTTPException(404, f"There are {len(exhibits.queries)} queries. Found {query}.")
        size = 4 * exhibits.full.description.embedding_dim
        vector = np.frombuffer(await _read_exactly(request, size), "<f4").astype(np.float32)
        if not abs(float(np.linalg.norm(vector.astype(np.float64))) - 1) < 1e-3:
            raise HTTPException(400, "An embedding must have length 1. Found another.")
        answer, headers = await _timed(exhibits.search, vector, query)
        return JSONResponse(asdict(answer), headers=headers)


def _model(exhibits: Exhibits, key: str) -> Model:
    if key not in exhibits.models:
        known = ", ".join(exhibits.models)
        raise HTTPException(404, f"A model must be one of {known}. Found another.")
    return exhibits.models[key]


async def _read_exactly(request: Request, size: int) -> bytes:
    """Return the body of a request, which must have a size."""
    content = await _read_body(request, size)
    if len(content) != size:
        raise HTTPException(400, f"The request must have {size} bytes. Found {len(content)}.")
    return content


async def _read_body(request: Request, most: int) -> bytes:
    """Return the body of a request, and stop reading one that is too large."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most:
            raise HTTPException(413, f"The request must have at most {most:,} bytes. Found more.")
    return bytes(content)


async def _timed(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, Headers]:
    """Return the result of some work in a thread, and the header with its milliseconds."""

    def measured() -> tuple[T, Headers]:
        start = time.perf_counter()
        result = work(*args, **kwargs)
        milliseconds = 1000 * (time.perf_counter() - start)
        return result, {"Server-Timing": f"work;dur={milliseconds:.3f}"}

    return await run_in_threadpool(measured)
