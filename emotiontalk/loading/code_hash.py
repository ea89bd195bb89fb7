"""The hash of the loader's code: rows that other code has prepared are not taken for this code's."""

from __future__ import annotations

import ast
import functools
import hashlib
import os

# The loader's modules, each after those that it imports: what the hash covers, and the script is built from.
LOADER = (
    "corpus", "redaction", "request_error", "errors", "progress", "disk", "members", "audio", "annotations", "schema",
    "archives/tar", "archives/headers", "archives/local", "archives/urls", "archives/read_ahead", "archives/http",
    "archives/fsspec_file", "archives/search", "archives/index", "archives/remote", "archives/remote_files",
    "archives/downloads", "archives/locations", "loading/tables", "loading/slices", "loading/options",
    "loading/reading", "loading/splits", "loading/code_hash", "loading/emotiontalk", "loading/load_dataset",
)  # fmt: skip


def statements_of(source: str) -> str:
    """Return the text of a module's statements, without its imports, its docstring and the comments between them."""
    lines, statements = source.splitlines(), []
    for number, node in enumerate(ast.parse(source).body):
        is_docstring = number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not is_docstring and not isinstance(node, (ast.Import, ast.ImportFrom)):
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            statements += lines[first - 1 : node.end_lineno]
    return "\n".join(statements)


@functools.cache
def code_hash() -> str:
    """Return the SHA-256 of the loader's statements: one value for the package and for the script of the same code.

    Taken once in a process: a file can change, the code that runs does not.
    """
    files = [__file__]
    if __name__.endswith(".code_hash"):  # the package, not the script
        package = os.path.dirname(os.path.dirname(__file__))
        files = [os.path.join(package, f"{name}.py") for name in LOADER]
    digest = hashlib.sha256()
    for path in files:
        with open(path, encoding="utf-8") as file:
            digest.update(statements_of(file.read()).encode() + b"\n")
    return digest.hexdigest()
