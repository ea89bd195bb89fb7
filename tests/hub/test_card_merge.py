"""The configs of an export in somebody else's card: what is merged, what stays, and which cards are refused."""

import re

import pytest
import yaml
from support import PROJECT, command

from emotiontalk.hub.card_merge import LOST, MAX_ALIASES, MAX_YAML, difference, merged_card
from emotiontalk.request_error import RequestError

REPO = "BAAI/Emotiontalk"


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """The card of an export."""
    out = tmp_path_factory.mktemp("merge") / "export"
    command("parquet", out, "--config", "audio", "--config", "text", "--data-dir", PROJECT / "dummy_data")
    return (out / "README.md").read_bytes()


def yaml_card(text):
    return f"---\n{text}\n---\n\n# Text\n".encode()


def config(name="theirs", files="x.parquet", more=""):
    return f"configs:\n- config_name: {name}\n  data_files: {files}\n{more}"


BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
CHAIN = "  b0: &b0 [x]\n" + "".join(f"  b{n}: &b{n} [*b{n - 1}]\n" for n in range(1, 400))
# What is wrong with a card -> the card, and what the message names.
WRONG = {
    "no YAML": (yaml_card("license: mit\ntags: [a"), "YAML"),
    "a list": (yaml_card("- license"), "not a mapping"),
    "a number": (yaml_card("5"), "not a mapping"),
    "no end": (b"---\nlicense: mit\n\n# Text\n", "---"),
    "GBK": ("---\nlicense: mit\n---\n字".encode("gbk"), "UTF-8"),
    "a tag": (yaml_card("license: !mine mit"), "!mine"),
    "code": (yaml_card("x: !!python/object/apply:os.abort []"), "os.abort"),
    "an escape sequence": (yaml_card("license: !%1b[31m mit"), r"'!\x1b[31m'"),
    "NUL": (yaml_card("license: mit\nx: \0"), "special characters"),
    "no date": (yaml_card("released: 2025-13-01"), "month"),
    "a bomb": (yaml_card(BOMB), "aliases"),
    "too large": (yaml_card("x: " + "y" * MAX_YAML), f"{MAX_YAML + 3:,} characters"),
    "itself": (yaml_card("x: &x [*x]"), None),
    "depth": (yaml_card("x: " + "[" * 5000 + "]" * 5000), "levels"),
    "depth by aliases": (yaml_card(config(more=CHAIN)), "aliases"),
    "a key that is a number": (yaml_card("5: x"), "keywords must be strings"),
    "a key for huggingface_hub": (yaml_card("ignore_metadata_errors: true"), "ignore_metadata_errors"),
    "a method of huggingface_hub": (yaml_card("to_dict: x"), "cannot be read"),
    "one field under two names": (yaml_card("train-eval-index: [{a: 1}]\ntrain_eval_index: 5"), "huggingface_hub"),
    "a number of many digits": (yaml_card("x: 0x1" + "0" * 6000), "cannot be read"),
    "half a character": (yaml_card('x: "\\ud83d"'), None),
    "configs: audio": (yaml_card("configs: audio"), "`configs`"),
    "configs: 3": (yaml_card("configs: 3"), "`configs`"),
    "configs: [1]": (yaml_card("configs: [1]"), "`configs`"),
    "configs twice": (yaml_card(config() + config("b")), "`configs`"),
    "a key twice": (yaml_card("license: mit\nlicense: mit"), "`license`"),
    "no config_name": (yaml_card("configs:\n- data_files: x.parquet"), "`config_name`"),
    "config_name: 5": (yaml_card(config(5)), "`config_name`"),
    "data_files: {..}": (yaml_card(config(files="{train: x.parquet}")), "`data_files` of the config theirs"),
    "data_files: [[..]]": (yaml_card(config(files="[[x.parquet]]")), "`data_files` of the config theirs"),
    "not Parquet": (yaml_card(config(files="x.csv")), "config theirs is not Parquet"),
    "a config of our name": (yaml_card(config("audio", "mine/*.parquet")), "config audio"),
    "two defaults": (
        yaml_card(config("default") + "- {config_name: b, data_files: b.parquet, default: 'yes'}"),
        "default and b",
    ),
    "dataset_info: x": (yaml_card("dataset_info: x"), "`dataset_info`"),
    "dataset_info: [3]": (yaml_card("dataset_info: [3]"), "`dataset_info`"),
    "dataset_info of a list": (yaml_card("dataset_info:\n  config_name: [a]"), "`config_name`"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_card_that_is_refused(export, name, ends):
    card, named = WRONG[name]
    try:
        merged = merged_card(card, export, REPO)
    except RequestError as error:
        sentence = str(error)
        assert sentence.startswith(f"{REPO}: ") and (named or "") in sentence
        assert sentence.isprintable() and len(sentence) < 500
    else:  # harmless where yaml and huggingface_hub read and write it
        assert named is None and merged.endswith("# Text\n")


# A card in three parts: what is before its YAML, that, and what follows.
ODD = {
    "nothing": ("", "", ""),
    "no YAML": ("", "", "# Text\n\n---\nconfigs: 3\n---\n"),
    "no YAML, but a BOM": ("\ufeff", "", "\n# Text\r\n"),
    "empty YAML": ("---\n", "\n", "---\n---\nconfigs: 3\n---\n"),
    "a text behind": ("---\n", "license: mit\n", "---\n\n---\nconfigs: [\n---\n\x1b[31m\0\r\n"),
    "BOM and CRLF": ("\ufeff---\r\n", "license: mit\r\n" + config().replace("\n", "\r\n"), "---\r\n字\r\n"),
    "comments": ("\n---\n", "# a\nlicense: mit # b\n# c\n" + config() + "# d\nx: 1\n# e\n", "---\n# Text"),
    "one line": ("---\n", "{license: mit, tags: [a, 'no']}\n", "---\n"),
    "a last text": ("---\n", "# a\nlicense: mit\nextra_gated_prompt: |\n  One.\n\n  Two.\n", "---\n"),
    "what YAML knows": (
        "---\n",
        "language: no\nlicense: [mit, 5]\na: .nan\nb: 2025-01-01\nd: 0777\ne: {1: !!binary YQ==, ~: 1:30}\n"
        "train-eval-index: [{a: 1}]\npretty_name: 情感 \U0001f600\n",
        "---\n",
    ),
    "an alias": ("---\n", "configs:\n- &a {config_name: a, data_files: a.parquet}\nx: *a\nz: *a\n", "---\n"),
    "another default": (
        "---\n",
        config("default", "[{split: train, path: [x.parquet]}]") + "dataset_info:\n  features: []\n",
        "---\n",
    ),
    "a name twice": ("---\n", config() + config(files="y.parquet")[9:], "---\n"),
}  # fmt: skip


def test_a_few_aliases_are_read(export):
    text = "a: &a x\n" + "".join(f"b{n}: *a\n" for n in range(MAX_ALIASES))
    assert "config_name: audio" in merged_card(yaml_card(text), export, REPO)
    with pytest.raises(RequestError, match="aliases"):
        merged_card(yaml_card(text + "c: *a"), export, REPO)


@pytest.mark.parametrize("name", ODD)
def test_all_else_in_an_odd_card_stays_as_it_is(export, name):
    start, text, end = ODD[name]
    data = "".join(ODD[name]).encode()
    card = merged_card(data, export, REPO)
    assert card.startswith(start) and card.endswith(end)
    body = card[len(start) : len(card) - len(end)].removeprefix("---\r\n").removeprefix("---\n")
    before = yaml.safe_load(text.rstrip("\r\n")) or {}  # as the Hub divides a card
    after = next(yaml.safe_load_all(body))
    configs, infos = after.pop("configs"), after.pop("dataset_info")
    their_configs, their_infos = before.pop("configs", []), before.pop("dataset_info", [])
    assert {key: repr(value) for key, value in after.items()} == {key: repr(value) for key, value in before.items()}
    assert configs[:-2] == their_configs and [c["config_name"] for c in configs[-2:]] == ["audio", "text"]
    assert infos[:-2] == (their_infos if isinstance(their_infos, list) else [their_infos])
    assert [c["config_name"] for c in configs if c.get("default")] == ([] if name == "another default" else ["audio"])
    assert {file["path"].split("/")[0] for c in configs[-2:] for file in c["data_files"]} == {"parquet"}
    assert ("\r\n" in start) == ("\r\n  data_files:\r\n" in card)
    shown = difference(data, card)
    assert shown.startswith(f"{LOST}\n") and not re.search(r"[\x00\r\x1b]", shown)
    # an update of ours changes nothing more, and a card that is as we would write it stays to the byte
    assert merged_card(card.encode(), export, REPO) == card and difference(card.encode(), card) == ""


def test_an_export_whose_card_was_changed_is_refused():
    for card in (b"", b"---\nconfigs: 5\n---\n", b"---\nconfigs:\n- config_name: a\n---\n"):
        with pytest.raises(RequestError, match="export"):
            merged_card(b"", card, REPO)
