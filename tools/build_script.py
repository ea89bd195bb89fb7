"""The loading script: the loader's modules as one file, as `datasets` below 4, the Hub and people who copy it want it.

`python tools/build_script.py` (`make script`) writes emotiontalk.py, and with `--check` says whether it is current.
"""

from __future__ import annotations

import ast
import posixpath
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PACKAGE = PROJECT / "emotiontalk"
CODE_HASH = PACKAGE / "loading" / "code_hash.py"


def modules() -> tuple[str, ...]:
    """Return the loader's modules as `code_hash` lists them; read, not imported: `make lint` has no `datasets`."""
    for node in ast.parse(CODE_HASH.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "LOADER":
            return tuple(ast.literal_eval(node.value))
    raise ScriptError(f"{CODE_HASH} defines no LOADER.")


HEADER = '''"""EmotionTalk, the Chinese multimodal emotion corpus, for Hugging Face `datasets`: the loading script.

On every version of `datasets` from 2.14 on:   import emotiontalk; emotiontalk.load_dataset("audio", split="test")
Below 4 also:   datasets.load_dataset("./emotiontalk.py", "audio", split="test", trust_remote_code=True)

Built from the package `emotiontalk/` by `make script`: change the modules there, not this file. Each part has the name
of its module. They go from facts to rows: what is in the corpus, errors, one clip, one annotation, the fields; then
archives, from a tar on disk to ranges of a URL; last the builder, whose hooks stand in the order in which `datasets`
calls them (`_info`, `_split_generators`, `_generate_examples`), and `load_dataset`.
"""
'''


class ScriptError(ValueError):
    """The modules cannot be joined to one file; the message says which line of which module is in the way."""


def build() -> str:
    """Return the text of the script. Raises `ScriptError`."""
    plain: set[str] = set()
    members: dict[str, set[str]] = {}
    bodies, defined = [], dict[str, str]()
    loader = modules()
    for name in loader:
        source = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
        tree = ast.parse(source)
        imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        _check_imports(name, tree, imports)
        for node in imports:
            _collect(name, node, plain, members, loader)
        for defines in _names_of(tree):
            if defines in defined:
                raise ScriptError(f"{name}.py defines {defines}, as {defined[defines]}.py does: rename one of them.")
            defined[defines] = name
        bodies.append(f"{_banner(name, tree)}\n{_body(source, imports)}")
    for module, names in sorted(members.items()):
        for imported in [*plain, *names]:
            if imported in defined:
                raise ScriptError(f"{defined[imported]}.py defines {imported}, which is also imported from {module}.")
    lines = [f"import {module}" for module in sorted(plain)]
    lines += [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(members.items())]
    text = "\n".join([HEADER, "from __future__ import annotations\n", *lines, "", "", "\n\n".join(bodies)])
    compile(text, "emotiontalk.py", "exec")
    return text


def _check_imports(name: str, tree: ast.Module, imports: list[ast.Import | ast.ImportFrom]) -> None:
    """Raise `ScriptError` for an import that cannot be moved to the top of the script."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and node not in imports:
            raise ScriptError(f"{name}.py, line {node.lineno}: a relative import within a function.")
    last = max(tree.body.index(node) for node in imports)
    for number, node in enumerate(tree.body[:last]):
        is_docstring = number == 0 and isinstance(node, ast.Expr)
        if node not in imports and not is_docstring:
            raise ScriptError(f"{name}.py, line {node.lineno}: imports come before everything else.")


def _collect(
    name: str, node: ast.Import | ast.ImportFrom, plain: set[str], members: dict[str, set[str]], loader: tuple[str, ...]
) -> None:
    """Note what an import brings, unless it is from the package."""
    names = [alias.name if alias.asname is None else f"{alias.name} as {alias.asname}" for alias in node.names]
    if isinstance(node, ast.Import):
        plain.update(names)
    elif node.level:
        folder = posixpath.join(posixpath.dirname(name), "../" * (node.level - 1))
        module = posixpath.normpath(posixpath.join(folder, str(node.module).replace(".", "/")))
        if any(" as " in imported for imported in names) or module not in loader:
            raise ScriptError(f"{name}.py, line {node.lineno}: the script has no other name, and no other module.")
        if loader.index(module) >= loader.index(name):
            raise ScriptError(f"{name}.py, line {node.lineno}: {module} comes after it in the script.")
    elif node.module != "__future__":
        members.setdefault(str(node.module), set()).update(names)


def _names_of(tree: ast.Module) -> list[str]:
    """Return the names that a module's statements define, each once."""
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        stored = (part for target in targets if target is not None for part in ast.walk(target))
        names += [part.id for part in stored if isinstance(part, ast.Name)]
    return list(dict.fromkeys(names))


def _banner(name: str, tree: ast.Module) -> str:
    """Return a module's name and the first line of its docstring, as a comment."""
    summary = (ast.get_docstring(tree) or "").partition("\n")[0]
    return f"# === emotiontalk/{name}.py ".ljust(120, "=") + f"\n# {summary}\n"


def _body(source: str, imports: list[ast.Import | ast.ImportFrom]) -> str:
    """Return what comes after a module's imports."""
    end = max(node.end_lineno or 0 for node in imports)
    return "\n".join(source.splitlines()[end:]).strip("\n") + "\n"


def main(arguments: list[str]) -> int:
    """Write emotiontalk.py next to the package; with `--check` compare it. Returns the exit status."""
    path = PROJECT / "emotiontalk.py"
    text = build()
    if arguments == ["--check"]:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return 0
        print(f"{path.name} is not what the package builds: run `make script`.", file=sys.stderr)
        return 1
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
