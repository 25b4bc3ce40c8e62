"""Batch files answered on a Ray cluster, by Ray Data's own processors: its HTTP one, or its vLLM engine.

Where calls are asked, how many tasks wait for the next one, what runs again after a dead worker or node, and how often
a request is sent again after a failure is all Ray's. A piece of a file goes through it as one block and becomes one
file of replies, which is whole or not there. So when the driver dies, what is answered lies on disk.

The folders are read and written by Ray's workers: on more than one machine they lie on storage that all of them see.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from labgen.bulk import ray_blocks, ray_engine, ray_http
from labgen.bulk.ray_blocks import Piece
from labgen.errors import ConfigError, OutputError, TeacherDown
from labgen.teacher.addresses import is_loopback

CALLS_PER_WORKER = 32
"""Calls that one worker process of Ray keeps under way at most (count)."""
CPUS = {"num_cpus": 0.25}
"""Share of a core that workers and tasks ask Ray for: they wait most of the time.

There are no more workers than cores, so that tasks find room beside them, also once most of the nodes are gone: a task
that asks for a whole core would wait for ever on a last node with one core and one worker.
"""
FIRST_PAUSE_SEC = 1.0
"""Ray's pause before a request is sent a second time; it doubles with each further one."""
SHORTEST_SECRET_CHARS = 8
MODULES = (ray_http, ray_engine, ray_blocks)
"""What runs on workers, and travels there: labgen need not be installed on them."""


def answer_files(
    requests: Sequence[Path],
    replies: Path,
    *,
    address: str | None = None,
    base_url: str | None = None,
    key: str = "",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    engine: Mapping[str, Any] | None = None,
    concurrency: int | None = None,
    timeout_sec: float = 180.0,
    max_attempts: int = 4,
    lines_per_file: int = 128,
    progress: Callable[[int], None] | None = None,
) -> list[Path]:
    """Answer every line of OpenAI batch input files on a Ray cluster.

    A line whose request fails becomes a line all the same: with `response.status_code` and the endpoint's own body
    where it answered, with `error.code` (`timeout`, `connection_error`, `invalid_line`, `engine_error`) where not.
    Lines come in any order. When a node dies, the lines that it had under way are asked again elsewhere, and each
    still comes once.

    Args:
        requests: batch input files. All workers see them.
        replies: folder for the batch output files (`*.jsonl`); made where it is missing. All workers see it.
        address: of the cluster, as `ray.init` takes it; None for what `RAY_ADDRESS` names, or a cluster that runs on
            this machine, or else one that is started for the time of the call. A connection that is open is used.
        base_url: of the endpoint, as the workers reach it, for Ray's HTTP processor.
        key, headers, query: sent with every request there; an empty key is not sent.
        engine: settings of Ray's `vLLMEngineProcessorConfig`, `model_source` among them, for its vLLM engine; all
            files are then of one API.
        concurrency: calls under way at the same time over the whole cluster, at most (count); with an engine, how many
            engines there are. None: 32 for each node; one engine.
        timeout_sec: silence after which a reply is no longer waited for.
        max_attempts: how often a request is sent at most (count).
        lines_per_file: lines of a block, and so of a file of replies, at most (count). A node that dies takes along at
            most the blocks that it had under way.
        progress: told the lines of each file that is there (count).

    Returns: the files written, sorted.
    Raises: ConfigError: Ray is not installed, there is no such cluster, or neither way is chosen; OutputError: the
        folder is not one that this machine and the workers share; TeacherDown: Ray gave up. What was answered up to
        then lies in the folder.
    """
    if (base_url is None) == (engine is None):
        raise ConfigError("a Ray cluster answers by an endpoint or by an engine of its own: give one of the two.")
    pieces = [piece for path in requests for piece in ray_blocks.pieces(path.resolve(), lines_per_file)]
    replies.mkdir(parents=True, exist_ok=True)
    if not pieces:
        return []
    with _connected(address) as ray:
        if base_url is not None:
            factory = _factory(base_url, key, headers or {}, query or {}, timeout_sec, max_attempts)
            processor = _http_processor(factory, *_calls_and_workers(ray, concurrency, len(pieces)))
        else:
            processor = _engine_processor(engine or {}, concurrency, ray_engine.api_of(pieces[0]))
        return _run(ray, pieces, processor, replies.resolve(), progress)


def _calls_and_workers(ray: Any, concurrency: int | None, pieces: int) -> tuple[int, int]:
    """Calls to keep under way over the whole cluster, and the workers that keep them so (counts)."""
    nodes = sum(node["Alive"] for node in ray.nodes())
    calls = concurrency or CALLS_PER_WORKER * nodes
    most = int(ray.cluster_resources().get("CPU", 1))
    workers = min(max(nodes, -(-calls // CALLS_PER_WORKER)), calls, pieces, most)
    return calls, max(1, workers)


def _factory(
    base_url: str, key: str, headers: Mapping[str, str], query: Mapping[str, str], timeout_sec: float, attempts: int
) -> ray_http.SessionFactory:
    """What makes a worker's sessions. The key goes to the workers in it, and into no block, setting or log."""
    bearer = {"Authorization": f"Bearer {key}"} if key else {}
    secrets = tuple(each for each in (key, *headers.values(), *query.values()) if len(each) >= SHORTEST_SECRET_CHARS)
    return ray_http.SessionFactory(
        base_url,
        headers={**bearer, **headers},
        query=query,
        secrets=secrets,
        calls_at_once=CALLS_PER_WORKER,
        attempts=attempts,
        timeout_sec=timeout_sec,
        proxies=not is_loopback(base_url),
    )


def _http_processor(factory: ray_http.SessionFactory, calls: int, workers: int) -> Any:
    """Ray's HTTP processor, with so many workers that together they keep so many calls under way."""
    from ray.data.llm import HttpRequestProcessorConfig, HttpRequestStageConfig, build_processor

    factory.calls_at_once = max(1, calls // workers)
    config = HttpRequestProcessorConfig(
        url=factory.base_url,
        # Ray works on four batches of a block at a time; the session bounds what is under way.
        batch_size=max(1, factory.calls_at_once // 2),
        concurrency=(workers, workers),
        max_retries=factory.attempts - 1,
        base_retry_wait_time_in_s=FIRST_PAUSE_SEC,
        session_factory=factory,
        http_request_stage=HttpRequestStageConfig(**CPUS),
    )
    return build_processor(
        config,
        preprocess=ray_blocks.http_payload,
        postprocess=ray_blocks.http_line,
        preprocess_map_kwargs=CPUS,
        postprocess_map_kwargs=CPUS,
    )


def _engine_processor(engine: Mapping[str, Any], concurrency: int | None, api: str) -> Any:
    """Ray's vLLM processor. Its own settings come from the user; how lines and replies are read is ours."""
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig

    config = vLLMEngineProcessorConfig(
        **{
            "concurrency": concurrency or 1,
            **engine,
            # A line that the engine refuses must not end the others.
            "should_continue_on_error": True,
            "chat_template_stage": api == ray_engine.CHAT,
            # vLLM looks for stop strings in text, so it is the one that makes text of tokens.
            "detokenize_stage": False,
        }
    )
    most = (engine.get("engine_kwargs") or {}).get("max_model_len")
    return build_processor(
        config,
        preprocess=partial(ray_engine.engine_row, api=api),
        postprocess=partial(ray_engine.engine_reply, context_tokens=most),
        preprocess_map_kwargs=CPUS,
        postprocess_map_kwargs=CPUS,
    )


def _run(
    ray: Any, pieces: Sequence[Piece], processor: Any, folder: Path, progress: Callable[[int], None] | None
) -> list[Path]:
    """Pieces through a processor into files. A failure of Ray's becomes one of ours."""
    from ray.exceptions import RayError

    source = ray.data.from_items([piece.as_row() for piece in pieces], override_num_blocks=len(pieces))
    answered = processor(source.flat_map(ray_blocks.read_piece, **CPUS)).map(ray_engine.engine_line, **CPUS)
    written = answered.map_batches(partial(ray_blocks.write_block, folder=str(folder)), batch_size=None, **CPUS)
    found = []
    try:
        for row in written.iter_rows():
            path = folder / row["name"]
            if not path.is_file():
                raise OutputError(
                    f"{folder}: the node {row['node']} wrote {row['name']}, which is not here. Give a folder on "
                    "storage that this machine and all nodes of the cluster share."
                )
            found.append(path)
            if progress:
                progress(row["lines"])
    except RayError as error:
        raise TeacherDown(
            f"Ray gave up after {len(found):,} of {len(pieces):,} files: {_first_line(error)}. Ray's own logs, on the "
            f"node where it happened, have more. What was answered lies in {folder}; run again to ask for the rest."
        ) from error
    return sorted(found)


def _first_line(error: BaseException) -> str:
    """The last line of an error of Ray's, which has the cause; those before are its traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1][:300]


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Ray with a connection to a cluster, and what runs on workers ready to travel. Raises: ConfigError."""
    try:
        import ray
        import ray.data
    except ImportError:
        raise ConfigError("a Ray cluster needs Ray: pip install 'labgen[ray]'.") from None
    from ray.cloudpickle import register_pickle_by_value, unregister_pickle_by_value

    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            # Ray turns its tokens on by itself for a cluster that it looks for, not for an address that it is given.
            untold = address is not None and "RAY_AUTH_MODE" not in os.environ
            hint = ". If it wants a token, set RAY_AUTH_MODE=token" if untold else ""
            where = address or "its default"
            raise ConfigError(f"no Ray cluster answers at {where}: {_first_line(error)}{hint}.") from error
    context, words = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    bars, level = context.enable_progress_bars, words.level
    context.enable_progress_bars = False
    words.setLevel(logging.ERROR)
    for module in MODULES:
        register_pickle_by_value(module)
    try:
        yield ray
    finally:
        for module in MODULES:
            unregister_pickle_by_value(module)
        context.enable_progress_bars = bars
        words.setLevel(level)
        if ours:
            ray.shutdown()
