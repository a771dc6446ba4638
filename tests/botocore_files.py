"""Reads each data file of botocore once per process.

botocore does so once per session, and most tests of functions and of the library need new sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from botocore.loaders import JSONFileLoader, Loader


def read_once() -> None:
    """Keep the content of botocore's own files, and the lists of services."""
    read_file: Callable[..., Any] = JSONFileLoader._load_file
    list_services: Callable[..., list[str]] = Loader.list_available_services
    files = JSONFileLoader()

    @cache
    def content(full_path: str, open_method: Any) -> Any:
        return read_file(files, full_path, open_method)

    @cache
    def services(search_paths: tuple[str, ...], type_name: str) -> list[str]:
        loader = Loader(include_default_search_paths=False)
        loader.search_paths.extend(search_paths)
        return list_services(loader, type_name)

    def load_file(self: JSONFileLoader, full_path: str, open_method: Any) -> Any:
        of_botocore = full_path.startswith(Loader.BUILTIN_DATA_PATH)
        return content(full_path, open_method) if of_botocore else read_file(self, full_path, open_method)

    def list_available_services(self: Loader, type_name: str) -> list[str]:
        return services(tuple(self.search_paths), type_name)

    JSONFileLoader._load_file = load_file
    Loader.list_available_services = list_available_services
