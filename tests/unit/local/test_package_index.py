"""uv uses the package index that pip is configured for."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from local import setup
from local.package_index import pip_configuration, uv_settings

PYTHON = setup.UV.folder / "bin" / "python"


@pytest.fixture
def pip_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The only configuration file that pip reads."""
    file = tmp_path / "pip.conf"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
    return file


def test_the_index_of_pips_configuration_file_is_used(pip_file: Path) -> None:
    pip_file.write_text("[global]\nindex-url = http://127.0.0.1:9/one\ntrusted-host = 127.0.0.1\n")
    options = uv_settings(pip_configuration(PYTHON)).options
    assert options[options.index("--default-index") + 1] == "http://127.0.0.1:9/one"
    assert options[options.index("--allow-insecure-host") + 1] == "127.0.0.1"


def test_a_variable_overrides_the_install_section_which_overrides_the_global_section(
    pip_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip_file.write_text(
        "[global]\nindex-url = http://127.0.0.1:9/one\ntimeout = 7\n"
        "[install]\nindex-url = http://127.0.0.1:9/two\n"
    )
    assert pip_configuration(PYTHON)["index-url"] == "http://127.0.0.1:9/two"
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/three")
    assert pip_configuration(PYTHON)["index-url"] == "http://127.0.0.1:9/three"
    assert uv_settings(pip_configuration(PYTHON)).variables["UV_HTTP_TIMEOUT"] == "7"


def test_all_values_of_a_setting_are_used(pip_file: Path) -> None:
    pip_file.write_text(
        "[global]\nextra-index-url =\n  http://127.0.0.1:9/a\n  http://127.0.0.1:9/b\nfind-links = /c /d\n"
    )
    options = uv_settings(pip_configuration(PYTHON)).options
    assert [value for name, value in pairwise(options) if name == "--index"] == [
        "http://127.0.0.1:9/a",
        "http://127.0.0.1:9/b",
    ]
    assert [value for name, value in pairwise(options) if name == "--find-links"] == [
        "/c",
        "/d",
    ]


@pytest.mark.parametrize(
    ("value", "expected"), [("true", ("--no-index",)), ("1", ("--no-index",)), ("false", ())]
)
def test_no_index_is_passed_on(value: str, expected: tuple[str, ...]) -> None:
    assert uv_settings({"no-index": value}).options == expected


def test_certificates_and_proxy_are_passed_on() -> None:
    variables = uv_settings(
        {"cert": "/ca.pem", "client-cert": "/me.pem", "proxy": "http://127.0.0.1:9"}
    ).variables
    assert variables == {
        "SSL_CERT_FILE": "/ca.pem",
        "SSL_CLIENT_CERT": "/me.pem",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }


def test_settings_of_uv_are_ignored_except_the_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_INDEX_URL", "http://127.0.0.1:9/other")
    monkeypatch.setenv("UV_CACHE_DIR", "/somewhere")
    environment = uv_settings({}).environment()
    assert "UV_INDEX_URL" not in environment
    assert environment["UV_CACHE_DIR"] == "/somewhere"
