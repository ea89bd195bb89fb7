"""What `make docs` does beyond mkdocs.yml: the pages stay where GitHub and the Hub show them, and are a site, too.

The cards are the home pages, README.md the English one and README.zh.md the Chinese one. Each language has its own
navigation, in the order of its card's table of pages. The API reference is made from the docstrings of the public
names. A page that is not in a card's table, a link that leads nowhere, a name without a place in the reference, and
a page that fetches something from another server all end the build.
"""

import ast
import logging
import re
import shutil
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Link, Navigation

ROOT = Path(__file__).resolve().parents[2]
CARDS = {"en": "README.md", "zh": "README.zh.md"}
NAMES = {"en": "English", "zh": "中文"}
HOMES = {"en": "Dataset card", "zh": "数据集卡片"}
API, API_TITLES = "docs/api.md", {"en": "API reference", "zh": "API 参考（英文）"}

# What the pages lead to, next to the cards and docs/, and where it is on the site.
OTHERS = {
    "CONTRIBUTING.md": "contributing.html",
    "CHANGELOG.md": "changelog.html",
    "benchmarks/README.md": "benchmarks.html",
    **{
        path.relative_to(ROOT).as_posix(): path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "examples").iterdir())
        if path.suffix in (".py", ".ipynb")
    },
    "LICENSE": "LICENSE.txt",
}

# The first part of the API reference. Every other name is in one of the others, by its form.
FIRST = ("load_dataset", "EmotionTalkConfig", "decode_audio", "AudioFormat", "EmotionTalk")
AFTER = (
    "verify", "score", "probe", "extract_features", "export_parquet", "export_files", "export_zh_en", "report", "push",
    "open_pull_request",
)  # fmt: skip
PARTS = {
    "Loading": lambda name: name in FIRST,
    "After loading": lambda name: name in AFTER,
    "Errors": lambda name: name.endswith("Error"),
    "Functions": lambda name: name.islower() and not name.startswith("__"),
    "Classes": lambda name: not name.isupper() and not name.startswith("__"),
    "Constants": lambda name: True,
}

# What of these classes users call: the rest is called by `datasets`.
MEMBERS = {"EmotionTalkConfig": [], "EmotionTalk": ["open_splits", "examples", "tables", "utterances"]}

# What the constants are: they have no docstrings.
CONSTANTS = {
    "ANNOTATORS": "The five annotators, as the release names them.",
    "ARCHIVES": "The archives at the pinned revision: size in bytes, SHA-256.",
    "AUDIO_FORMATS": "Clips of each format, (rate in Hz, channels), as a public project counted them.",
    "CITATION": "The BibTeX entries of the [card](../README.md#citation).",
    "CONDITIONS": "The annotation conditions, and the archive that holds the annotations of each.",
    "CONDITION_NAMES": "The names of the annotation conditions in text.",
    "CONFIGS": "The [configs](../README.md#configs) by name: what each reads, its splits and its fields.",
    "DEFAULT_SOURCE": "Where the loader reads without `data_dir`.",
    "DIALOGUES": "Dialogues of each split.",
    "EMOTIONS": "The emotions, in the order of their numbers.",
    "FIELDS": "The [fields](../README.md#fields) by name: feature, value and description.",
    "FOLDS": "The numbers of the [folds](../README.md#folds): 1 to 5.",
    "FOUR": 'The emotions of the paper\'s "Four" setting.',
    "GROUPS": "Utterances of each group of dialogues.",
    "HOMEPAGE": "The authors' repository.",
    "LICENSE": "The licence of the data.",
    "REPO_ID": "The name of the authors' repository on the Hub.",
    "REVISION": "The pinned commit of it.",
    "SENTIMENTS": "The classes of sentiment, in the order of their numbers.",
    "SHARDS": "Shards of each split.",
    "SPEAKER_SETS": "The groups of each [speaker set](../README.md#speakers).",
    "SPLITS": "The official splits.",
    "TOTAL": "Utterances of the corpus.",
    "__version__": "The version of the loader.",
}
NO_VALUES = ("CITATION", "CONFIGS", "FIELDS")  # of many lines, or made of other constants

navigations: dict[str, Navigation] = {}


def public_names():
    """Return {public name: the module below `emotiontalk` that defines it}."""
    tree = ast.parse((ROOT / "emotiontalk" / "__init__.py").read_text(encoding="utf-8"))
    values = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    return {name: module for module, names in ast.literal_eval(values["PUBLIC"]).items() for name in names}


def api_reference():
    """Return the page of the API reference, in Markdown."""
    modules = public_names()
    left = sorted(modules, key=lambda name: (name not in FIRST, FIRST.index(name) if name in FIRST else 0, name))
    lines = [
        "# API reference",
        "",
        "What `import emotiontalk` gives, from the docstrings. See also [From Python](python.md).",
        "",
    ]
    for title, belongs in PARTS.items():
        lines += [f"## {title}", ""]
        for name in [name for name in left if belongs(name)]:
            left.remove(name)
            lines += [f"::: emotiontalk.{modules[name]}.{name}", "    options:", f"      heading: emotiontalk.{name}"]
            lines += [f"      toc_label: {name}"]
            if name in MEMBERS:
                lines += [f"      members: {MEMBERS[name]}"]
            if name in NO_VALUES:
                lines += ["      show_attribute_values: false"]
            lines += [""]
            if title == "Constants":
                lines += [CONSTANTS[name], ""]
    return "\n".join(lines)


def card_pages(language):
    """Return the pages of a card's table, in its order: [(title, path below the root)]."""
    text = (ROOT / CARDS[language]).read_text(encoding="utf-8")
    return re.findall(r"^\| \[([^\]]+)\]\(([\w./-]+\.md)\)", text, flags=re.M)


def on_config(config):
    """Make the navigation of both languages; `on_nav` parts them."""
    logging.getLogger("jieba").setLevel(logging.WARNING)  # it tells how it reads its dictionary
    english = [path for _, path in card_pages("en")]
    own = [path for path in english if path.startswith("docs/")]
    english = [
        {HOMES["en"]: CARDS["en"]},
        *own,
        API,
        *(path for path in english if path not in own),
        "benchmarks/README.md",
    ]
    chinese = [{HOMES["zh"]: CARDS["zh"]}, *(path for _, path in card_pages("zh") if path.startswith("docs/"))]
    config.nav = [{NAMES["en"]: english}, {NAMES["zh"]: chinese}]
    return config


def on_files(files, config):
    """Have the files where they are in the repository, so that their links hold, under short addresses."""
    places = {**OTHERS, CARDS["en"]: "index.html", CARDS["zh"]: "zh/index.html"}
    for path in sorted((ROOT / "docs").rglob("*.md")):
        source = path.relative_to(ROOT).as_posix()
        places[source] = source.removeprefix("docs/").removesuffix(".md") + ".html"
    pages = [
        File(source, str(ROOT), config.site_dir, config.use_directory_urls, dest_uri=place)
        for source, place in places.items()
    ]
    pages.append(File.generated(config, API, content=api_reference()))
    pages[-1].dest_uri = "api.html"
    theirs = [file for file in files if not file.is_documentation_page() and not file.src_uri.endswith(".py")]
    return Files([*pages, *theirs])


def on_nav(nav, config, files):
    """Give each language its own navigation, and the Chinese one links to what is in English only."""
    for language, section in zip(NAMES, nav.items):
        pages = section.children
        for before, page, after in zip([None, *pages], pages, [*pages[1:], None]):
            page.parent, page.previous_page, page.next_page = None, before, after
        navigations[language] = Navigation([*pages], [*pages])
    english = {page.file.src_uri: page for page in navigations["en"].pages}
    links = [(API_TITLES["zh"], API)]
    links += [(f"{title}（英文）", path) for title, path in card_pages("zh") if path in OTHERS]
    navigations["zh"].items += [Link(title, english[path].url) for title, path in links]
    navigations["zh"].homepage = navigations["zh"].pages[0]
    return navigations["en"]


def twin_of(page, language):
    """Return the page that says the same in this language; the card's where there is none."""
    pages = {one.file.src_uri: one for one in navigations[language].pages}
    path = page.file.src_uri
    name = path.split("/")[-1]
    return next(
        (pages[twin] for twin in (path, f"docs/{name}", f"docs/zh/{name}") if twin in pages), pages[CARDS[language]]
    )


def on_page_context(context, page, config, nav):
    """Show a page in its language: the words of the theme, the navigation, and the switch, which leads to its twin."""
    language = "zh" if page in navigations["zh"].pages else "en"
    config.theme["language"] = language
    config.extra["alternate"] = [
        {"name": name, "lang": other, "link": twin_of(page, other).url} for other, name in NAMES.items()
    ]
    context["nav"] = navigations[language]
    return context


def on_post_build(config):
    """Raise an error where a public name has no place in the reference, or a page needs another server."""
    site = Path(config.site_dir)
    shutil.copy(site / "sitemap.xml", site / "zh")  # the theme asks for one next to each home page
    reference = (site / "api.html").read_text(encoding="utf-8")
    modules = public_names().items()
    missing = [name for name, module in modules if f'id="emotiontalk.{module}.{name}"' not in reference]
    if missing:
        raise PluginError(f"not in the API reference: {', '.join(missing)}")
    for path in sorted(site.rglob("*.html")):
        tags = re.findall(r"<(?:script|link|img|iframe|source|video|audio)\b[^>]*>", path.read_text(encoding="utf-8"))
        fetched = [tag for tag in tags if re.search(r"""(?:src|href)=["']?(?:https?:)?//""", tag)]
        if fetched:
            raise PluginError(f"{path.relative_to(site)} fetches from another server: {fetched[0]}")
    for path in sorted(site.rglob("*.css")):
        if re.search(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""", path.read_text(encoding="utf-8")):
            raise PluginError(f"{path.relative_to(site)} fetches from another server")
