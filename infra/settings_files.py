"""Write the settings of `infra.settings` to cdk.json and to the table in docs/deployment.md.

python -m infra.settings_files
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from infra.settings import DEFAULTS, SETTINGS, Setting

ROOT: Final = Path(__file__).resolve().parents[1]
_PAGE: Final = "docs/deployment.md"
_TABLE: Final = re.compile(
    r"(?<=<!-- Written by `python -m infra\.settings_files`\. -->\n).*?(?=<!-- End of the settings\. -->)",
    re.DOTALL,
)


def cdk_json(text: str) -> str:
    """Return cdk.json with the default of each setting. Its other keys stay as they are."""
    content: dict[str, Any] = json.loads(text)
    context = {**DEFAULTS, **{key: value for key, value in content["context"].items() if key not in DEFAULTS}}
    members = {key: json.dumps(value) for key, value in content.items() if key != "context"}
    members["context"] = _object({key: json.dumps(value) for key, value in context.items()}, indent="    ")
    return _object(members, indent="  ") + "\n"


def settings_page(text: str) -> str:
    """Return the page with the table of settings between its two comments."""
    table = "\n".join(["", *_rows(), "", ""])
    page, count = _TABLE.subn(lambda _: table, text)
    if count != 1:
        raise ValueError(f"{_PAGE} must have the two comments around the table of settings")
    return page


# The function that updates each file.
FILES: Final[Mapping[str, Callable[[str], str]]] = {"cdk.json": cdk_json, _PAGE: settings_page}


def _rows() -> Iterator[str]:
    yield "| key | default | accepted values | meaning |"
    yield "| --- | --- | --- | --- |"
    for setting in SETTINGS:
        cells = (f"`{setting.key}`", _default(setting), setting.kind.summary, setting.description)
        yield f"| {' | '.join(cells)} |"


def _default(setting: Setting) -> str:
    match setting.default:
        case bool() as flag:
            return json.dumps(flag)
        case value if value in ([], {}, ""):
            return f"({getattr(setting.kind, 'empty', 'none')})"
        case list() as names:
            return ", ".join(names)
    return str(setting.default)


def _object(members: Mapping[str, str], *, indent: str) -> str:
    """Return a JSON object with a line for each member, like the files of the CDK."""
    lines = ",\n".join(f"{indent}{json.dumps(key)}: {value}" for key, value in members.items())
    return f"{{\n{lines}\n{indent[:-2]}}}"


def main() -> None:
    """Update the files, and print the names of those that changed."""
    for name, update in FILES.items():
        path = ROOT / name
        before = path.read_text("utf-8")
        after = update(before)
        if after != before:
            path.write_text(after, "utf-8")
            sys.stdout.write(f"{name} is updated\n")


if __name__ == "__main__":
    main()
