"""What is generated and kept in the repository is what would be generated, and says what the script does."""

import json
import shutil

import datasets
import pytest
from support import CONFIGS, PROJECT, as_script, command

import emotiontalk
from emotiontalk import sample_data as dummy

INFOS = json.loads((PROJECT / "dataset_infos.json").read_text(encoding="utf-8"))


def test_the_miniature_release_is_the_same_at_every_run(tmp_path):
    command("dummy", tmp_path)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["Audio.tar", "Multimodal.tar", "Text.tar", "Video.tar"]
    for name in written:
        assert (tmp_path / name).read_bytes() == (PROJECT / "dummy_data" / name).read_bytes()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 800_000


def test_the_miniature_release_has_the_oddities_of_the_real_one():
    made = dummy.archives()
    for name in ("Text", "Video"):
        assert (PROJECT / "dummy_data" / f"{name}.tar").read_bytes().startswith(b"\x1f\x8b")
    assert any("/._" in name for name in made["Text"])
    assert any(name.endswith(".zip") for name in made["Multimodal"])
    assert any(data.startswith(b"\xef\xbb\xbf") for data in made["Audio"].values())
    assert any("【".encode() in data for data in made["Audio"].values())
    assert any(b"null" in data for data in made["Audio"].values())
    groups = {uid[:6] for uid, _ in dummy.utterances()}
    assert all(sum(emotiontalk.split_of(g) == split for g in groups) >= 2 for split in emotiontalk.SPLITS)


def test_infos_are_current_and_checked(tmp_path):
    if hasattr(datasets, "Video"):
        command("infos", "--check")
    spoilt = tmp_path / "dataset_infos.json"
    spoilt.write_text(
        (PROJECT / "dataset_infos.json").read_text(encoding="utf-8").replace("15413", "15412"), encoding="utf-8"
    )
    assert "out of date" in command("infos", "--check", "--path", spoilt, status=1).stderr


def test_infos_have_the_published_sizes_and_checksums():
    assert tuple(INFOS) == CONFIGS
    for config, info in INFOS.items():
        sizes = {name: split["num_examples"] for name, split in info["splits"].items()}
        expected = {"train": 15_413, "validation": 1_908, "test": 1_929}
        if config == "zh-en":
            expected = {"test": 1_929}
        if config == "dialogues":
            expected = {"train": 587, "validation": 71, "test": 84}
        assert sizes == expected
        assert list(info["features"]) == list(emotiontalk.CONFIGS[config].fields)
    checksums = INFOS["multimodal"]["download_checksums"]
    assert {url.split("/")[-1]: entry["num_bytes"] for url, entry in checksums.items()} == {
        "Audio.tar": 14_811_722_752, "Multimodal.tar": 21_294_498_304, "Text.tar": 1_477_776, "Video.tar": 526_286,
    }  # fmt: skip
    assert "dataset_size" not in INFOS["text"] and "num_bytes" not in INFOS["text"]["splits"]["test"]


@as_script
def test_infos_are_what_datasets_compares_with(load, rebuilt, tmp_path):
    """A wrong size in the file beside the script makes a whole release fail, and leaves a part alone."""
    for name in ("emotiontalk.py", "README.md"):
        shutil.copy(PROJECT / name, tmp_path)
    # the script's hash names datasets' copy of it and of the infos
    with open(tmp_path / "emotiontalk.py", "a") as script:
        script.write(f"# {tmp_path}\n")
    infos = json.loads(json.dumps(INFOS))
    infos["text"]["splits"]["test"]["num_examples"] = 1930
    (tmp_path / "dataset_infos.json").write_text(json.dumps(infos))

    def text(data_dir, cache, **options):
        script, cache = str(tmp_path / "emotiontalk.py"), str(tmp_path / cache)
        return datasets.load_dataset(
            script, "text", data_dir=str(data_dir), cache_dir=cache, trust_remote_code=True, **options
        )

    with pytest.raises(Exception) as error:
        text(rebuilt(), "a")
    assert type(error.value).__name__.startswith("NonMatchingSplitsSizes")
    assert len(text(rebuilt(), "b", label_set="four")["test"]) == 1_488
    assert len(text(PROJECT / "dummy_data", "c")["test"]) == 8


@pytest.mark.slow
def test_the_whole_release_passes_all_checks(load, rebuilt):
    assert len(load("text", data_dir=rebuilt(), verification_mode="all_checks")["test"]) == 1_929


def test_the_fields_are_described_where_a_user_of_datasets_looks(load):
    split = load("audio", split="test")
    assert "audio-only label" in load("multimodal", split="test").info.description
    assert "seconds" in split.info.description and split.info.license == "CC BY-NC-SA 4.0"
