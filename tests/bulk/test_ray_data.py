"""What is said before anything is asked of Ray; `scripts/bench_ray` has real clusters."""

import sys

import pytest

from labgen.bulk.ray_data import answer_files
from labgen.errors import ConfigError


@pytest.mark.parametrize("given", [{}, {"base_url": "http://127.0.0.1:1/v1", "engine": {"model_source": "m"}}])
def test_an_endpoint_or_an_engine_is_given(tmp_path, given):
    """Exactly one."""
    with pytest.raises(ConfigError, match="one of the two"):
        answer_files([], tmp_path / "replies", **given)


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    """It is not part of the default set-up."""
    monkeypatch.setitem(sys.modules, "ray", None)
    requests = tmp_path / "a.jsonl"
    requests.write_text("{}\n")
    with pytest.raises(ConfigError, match=r"labgen\[ray\]"):
        answer_files([requests], tmp_path / "replies", base_url="http://127.0.0.1:1/v1")


def test_no_requests_need_no_cluster(tmp_path, monkeypatch):
    """An empty round is answered."""
    monkeypatch.setitem(sys.modules, "ray", None)
    assert answer_files([], tmp_path / "replies", base_url="http://127.0.0.1:1/v1") == []
