"""An endpoint on this machine is asked directly, whatever proxy the environment names."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from faulty_server import FaultyServer, make_taxonomy, run

from labgen.teacher.addresses import is_loopback


@pytest.fixture
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a proxy that nobody serves, in every variable that names one, and no exception from it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, address)
        monkeypatch.setenv(name.upper(), address)
    for name in ("no_proxy", "NO_PROXY", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return address


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_build_and_doctor_ask_a_local_endpoint_past_the_proxy(dead_proxy: str, tmp_path: Path, host: str) -> None:
    """Rows come of it, and doctor finds it reachable."""
    taxonomy = make_taxonomy(tmp_path / "taxonomy")
    with FaultyServer() as server:
        address = server.base_url.replace("127.0.0.1", host)
        where = ("--taxonomy", taxonomy, "--work", tmp_path / "work", "--output", tmp_path / "dataset")
        who = ("--base-url", address, "--model", "labgen-rehearsal")
        doctor = run("doctor", "--json", *where, *who)
        found = {finding["name"]: finding for finding in json.loads(doctor.stdout)["findings"]}
        assert found["reachable"]["status"] == "ok", found["reachable"]
        result = run("generate", "--json", "--samples", 1, *where, *who)
        assert json.loads(result.stdout)["calls"]["answered"] > 0
        assert server.bodies


def test_an_endpoint_elsewhere_goes_through_the_proxy(dead_proxy: str, tmp_path: Path) -> None:
    """As the environment asks: the message is that of the proxy, which refuses the connection."""
    taxonomy = make_taxonomy(tmp_path / "taxonomy")
    where = ("--taxonomy", taxonomy, "--work", tmp_path / "work", "--output", tmp_path / "dataset")
    doctor = run("doctor", *where, "--base-url", "http://198.51.100.7/v1", "--model", "m", "--timeout-sec", 5)
    assert doctor.return_value == 1
    assert dead_proxy.removeprefix("http://127.0.0.1:") in doctor.output


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://127.8.9.1/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://localhost:8000/v1", True),
        ("http://gpu.localhost/v1", True),
        ("http://localhost.example.com/v1", False),
        ("http://10.0.0.1/v1", False),
        ("https://api.example.com/v1", False),
        ("http://127.example.com/v1", False),
    ],
)
def test_which_addresses_are_this_machines_own(address: str, own: bool) -> None:
    """By the host alone."""
    assert is_loopback(address) is own
