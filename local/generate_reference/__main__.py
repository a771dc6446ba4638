"""`make reference`: write the reference pages that are generated from the code."""

from __future__ import annotations

from local.generate_reference.files import FILES, ROOT


def main() -> None:
    """Update the files, and print the names of those that changed."""
    for name, update in FILES.items():
        path = ROOT / name
        before = path.read_text("utf-8") if path.exists() else ""
        after = update(before)
        if after != before:
            path.write_text(after, "utf-8")
            print(f"{name} is updated")


if __name__ == "__main__":
    main()
