"""Exports from Python: `export_parquet`, `export_files`, `export_zh_en`, and what they return."""

import json
import subprocess
import sys

import datasets
import pytest
from support import PROJECT, once, stopped

import emotiontalk
from emotiontalk import RequestError, export_files, export_parquet, export_zh_en
from emotiontalk.audio_format import AudioFormat
from emotiontalk.export.context import WriterContext
from emotiontalk.export.files_request import FilesRequest
from emotiontalk.export.format import Audio, Format
from emotiontalk.export.formats import FORMATS
from emotiontalk.export.parquet import resume_parquet
from emotiontalk.export.parquet_export import ParquetExport, ParquetRequest

DUMMY = PROJECT / "dummy_data"
pytestmark = once


def test_an_export_to_parquet_says_what_it_holds(tmp_path):
    speech = AudioFormat(16_000, 1, "flac")
    export = export_parquet(tmp_path / "<b>", ["audio", "text"], splits="test", audio_format=speech, data_dir=DUMMY)
    assert export.complete and export.audio_format == speech and export.configs() == ["audio", "text"]
    table = export.to_pandas()
    assert table[["config", "split", "rows", "shards"]].values.tolist() == [
        ["audio", "test", 8, 8],
        ["text", "test", 8, 8],
    ]
    told = export.to_dict()
    assert json.loads(json.dumps(told)) == told and len(told["files"]) == 17
    assert {path.relative_to(export.path).as_posix() for path in export.files()} == set(told["files"])
    assert "&lt;b&gt;" in export._repr_html_() and "<b>" not in export._repr_html_()
    again = ParquetExport(tmp_path / "<b>")  # opened, not written
    assert again.to_dict() == told and again.request().configs == ("audio", "text")
    loaded = datasets.load_dataset(str(export.path), "audio", split="test", cache_dir=str(tmp_path / "cache"))
    assert len(loaded) == 8


def test_an_export_that_is_not_finished_holds_nothing_to_give_away(tmp_path):
    with pytest.raises(RequestError, match="holds no export"):
        resume_parquet(tmp_path / "none")
    with pytest.raises(RequestError, match="holds no export"):
        ParquetExport(tmp_path / "none").files()
    export_parquet(tmp_path / "out", "text", data_dir=DUMMY)
    stopped(tmp_path / "out")
    export = ParquetExport(tmp_path / "out")
    assert export.exists and not export.complete and "complete=False" in export._repr_html_()
    for use in (export.files, export.to_dict, export.to_pandas):
        with pytest.raises(RequestError, match="not a finished export"):
            use()
    assert resume_parquet(tmp_path / "out").complete


@pytest.mark.parametrize(
    "options, name",
    [
        ({"configs": ["speech"]}, "configs='speech'"),
        ({"configs": []}, "configs="),
        ({"configs": "text", "splits": ["dev"]}, "splits='dev'"),
        ({"configs": "text", "audio_format": AudioFormat(16_000)}, "sampling_rate="),
        ({"configs": "zh-en", "fold": 1}, "fold="),
        ({"configs": "text", "fold": 9}, "fold=9"),
        ({"configs": "zh-en", "splits": "train"}, "train"),
    ],
)
def test_what_parquet_cannot_hold_is_refused_by_the_options_name(tmp_path, options, name):
    with pytest.raises(RequestError) as error:
        export_parquet(tmp_path / "out", **options, data_dir=DUMMY)
    assert name in str(error.value) and "--" not in str(error.value) and not (tmp_path / "out").exists()


def test_the_request_of_a_stopped_run_is_replaced_while_nothing_is_written(tmp_path):
    export = ParquetExport(tmp_path)
    export.record(ParquetRequest(("audio",), fold=5), None)
    export.start("audio", "test", 8, {})
    written = export_parquet(tmp_path, "text", data_dir=DUMMY)
    assert written.configs() == ["text"] and written.fold is None


def test_files_say_what_was_written(tmp_path):
    export = export_files(tmp_path / "out", ["kaldi", "csv", "kaldi"], splits=["test"], data_dir=DUMMY)
    assert export.formats == ("kaldi", "csv") and export.counts == {"test": 8} and export.path == tmp_path / "out"
    there = {path for path in export.path.rglob("*") if path.is_file() and path.name[0] != "."}
    assert set(export.files) == there
    told = export.to_dict()
    assert json.loads(json.dumps(told)) == told and told["formats"] == ["kaldi", "csv"]
    assert export.to_pandas().values.tolist() == [["test", 8]] and "<td>test</td>" in export._repr_html_()
    packed = export_files(str(tmp_path / "packed"), "webdataset", audio_format=AudioFormat(), data_dir=str(DUMMY))
    assert packed.counts == {"train": 8, "validation": 8, "test": 8} and not (packed.path / "audio").exists()


@pytest.mark.parametrize(
    "options, name",
    [
        ({"formats": "htk"}, "formats='htk'"),
        ({"formats": []}, "formats="),
        ({"formats": "csv", "config": "video"}, "config='video'"),
        ({"formats": "csv", "label_set": "five"}, "label_set='five'"),
        ({"formats": "csv", "splits": "dev"}, "splits='dev'"),
        ({"formats": "messages", "task": "ser"}, "task='ser'"),
        ({"formats": "messages", "caption": "x", "task": "caption"}, "caption='x'"),
        ({"formats": "messages", "media": "images"}, "media='images'"),
        ({"formats": "messages", "prompt_language": "de"}, "prompt_language='de'"),
        ({"formats": "csv", "task": "asr"}, "task="),
        ({"formats": "messages", "caption": "style"}, "caption="),
        ({"formats": "messages", "media": "video"}, 'media="video"'),
        ({"formats": "kaldi", "config": "text"}, "kaldi"),
        ({"formats": "emobox", "fold": 1}, "fold="),
        ({"formats": "s3prl", "audio_format": AudioFormat()}, "s3prl"),
        ({"formats": "merbench", "audio_format": AudioFormat(8_000, 1)}, "merbench"),
    ],
)
def test_what_files_cannot_hold_is_refused_by_the_options_name(tmp_path, options, name):
    with pytest.raises(RequestError) as error:
        export_files(tmp_path / "out", **options, data_dir=DUMMY)
    assert name in str(error.value) and "--" not in str(error.value) and not (tmp_path / "out").exists()


def test_the_benchmarks_files_from_python(tmp_path):
    (tmp_path / "manifests").mkdir()
    transcripts = tmp_path / "transcripts.jsonl"
    export = export_zh_en(
        tmp_path / "out", manifests=tmp_path / "manifests", transcripts=str(transcripts), data_dir=DUMMY
    )
    assert export.counts == {"test": 8} and export.to_dict()["counts"] == {"test": 8}
    files = {path for path in tmp_path.rglob("*") if path.is_file() and path.name[0] != "."}
    assert set(export.files) == files and transcripts in files


def test_a_folder_holds_one_kind_of_export(tmp_path):
    export_files(tmp_path, "csv", config="text", data_dir=DUMMY)
    with pytest.raises(RequestError, match="another folder"):
        export_parquet(tmp_path, "text", data_dir=DUMMY)
    export_parquet(tmp_path / "parquet", "text", data_dir=DUMMY)
    with pytest.raises(RequestError, match="another folder"):
        export_files(tmp_path / "parquet", "csv", config="text", data_dir=DUMMY)


def test_a_format_of_ones_own(tmp_path, monkeypatch):
    """All that `export_files` asks of a format is in the class."""

    class Ids(Format):
        name, toolkit, audio = "csv", "a test", Audio.FILES_IF_ANY

        def write(self, context, utterances):
            for split, rows in utterances.rows.items():
                context.write_file(f"csv/{split}.txt", "".join(f"{row.id} {row.path}\n" for row in rows))
            return utterances.counts()

        def how_to_start(self, context, utterances):
            assert isinstance(context, WriterContext) and isinstance(context.request, FilesRequest)
            return f"cat {context.example_split}.txt"

    monkeypatch.setitem(FORMATS, "csv", Ids())
    export = export_files(tmp_path, "csv", config="text", splits="validation", data_dir=DUMMY)
    assert export.counts == {"validation": 8}
    assert (tmp_path / "csv/validation.txt").read_text().splitlines()[0].endswith(" None")
    assert "for a test" in (tmp_path / "csv/README.md").read_text()
    with pytest.raises(TypeError):
        Format()


def test_exports_need_no_typer(tmp_path):
    code = (
        "import sys; sys.modules['typer'] = sys.modules['rich'] = None\n"
        "import emotiontalk as e\n"
        f"out, options = {str(tmp_path)!r}, {{'data_dir': {str(DUMMY)!r}}}\n"
        "print(e.export_parquet(out + '/p', 'text', **options).complete)\n"
        "print(e.export_files(out + '/f', 'csv', config='text', **options).counts['test'])\n"
        "print(e.export_zh_en(out + '/z', **options).counts['test'])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert run.stdout.split() == ["True", "8", "8"], run.stderr
    assert emotiontalk.export_parquet is export_parquet and "export_files" in dir(emotiontalk)
