"""What differs between batch APIs is known by the address, or by the settings."""

import pytest

from labgen.bulk.providers import PROVIDERS, provider_of
from labgen.config.section import read_section
from labgen.config.whole import BulkConfig


@pytest.mark.parametrize(
    ("address", "name", "prefix"),
    [
        ("https://api.openai.com/v1", "openai", "/v1"),
        ("https://thing.openai.azure.com/openai/v1", "azure", "/v1"),
        ("https://thing.openai.azure.com/openai", "azure", ""),
        ("https://api.groq.com/openai/v1", "groq", "/v1"),
        ("https://api.together.xyz/v1", "together", "/v1"),
        ("http://localhost:4000/v1", "other", "/v1"),
        ("https://notapi.openai.com.example.org/v1", "other", "/v1"),
    ],
)
def test_by_the_address(address: str, name: str, prefix: str) -> None:
    """By the end of the host's name; Azure's paths by how the address ends."""
    found = provider_of(address, BulkConfig())
    assert (found.name, found.prefix) == (name, prefix)


def test_by_the_settings() -> None:
    """A gateway can't be told by its address; limits of one's own hold for any."""
    found = provider_of("http://localhost:4000/v1", BulkConfig(provider="litellm", max_lines=7, window="7d"))
    assert (found.name, found.max_lines, found.window, found.model_header) == ("litellm", 7, "7d", "x-litellm-model")


def test_a_name_is_a_provider_s_alone() -> None:
    """The settings' names are those of the table."""
    names = [provider.name for provider in PROVIDERS]
    assert len(set(names)) == len(names)
    for name in names:
        assert provider_of("http://localhost/v1", read_section(BulkConfig, {"provider": name})).name == name
