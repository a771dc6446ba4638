"""cdk.json and the table of settings have the declared settings."""

from __future__ import annotations

import json

import pytest

from infra.settings import SETTINGS
from infra.settings_files import FILES, ROOT, cdk_json, settings_page


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_the_declared_settings(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert FILES[name](text) == text, f"{name} is out of date: run `.venv/bin/python -m infra.settings_files`"


def test_other_keys_of_cdk_json_stay() -> None:
    text = json.dumps(
        {"app": "python app.py", "context": {"shard_size": 7, "owner": "me", "@aws-cdk/a": True}}
    )
    content = json.loads(cdk_json(text))
    assert content["app"] == "python app.py"
    settings = {setting.key: setting.default for setting in SETTINGS}
    assert content["context"] == {**settings, "owner": "me", "@aws-cdk/a": True}


def test_the_text_around_the_table_stays() -> None:
    page = "a\n<!-- Written by `python -m infra.settings_files`. -->\nold\n<!-- End of the settings. -->\nz\n"
    updated = settings_page(page)
    assert (updated[:2], updated[-3:]) == ("a\n", "\nz\n")
    assert "| `shard_size` | 1000 | 1 to 10000 records | " in updated
    assert "old" not in updated
    assert settings_page(updated) == updated


def test_a_page_without_the_comments_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"docs/deployment\.md must have the two comments"):
        settings_page("| key |")
