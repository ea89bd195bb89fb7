"""The examples, run as users run them, on the sample data."""

import ast
import os
import re
import subprocess
import sys

import pytest
from card import blocks, table
from support import PROJECT, once

pytestmark = once

DUMMY = PROJECT / "dummy_data"
EXAMPLES = PROJECT / "examples"


def run(arguments, cwd, status=0, **variables):
    """Run an example in a folder of its own; the finished process."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "HF_HOME": str(cwd / "home"), **variables}
    done = subprocess.run(
        list(map(str, arguments)), cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return done


def example(name, *options, cwd, **others):
    return run([sys.executable, EXAMPLES / f"{name}.py", *options], cwd, **others)


def test_the_demo_shows_splits_and_a_decoded_sound(tmp_path):
    said = example("demo", cwd=tmp_path).stdout
    assert "DatasetDict" in said and "num_rows: 8" in said
    assert "1.200 s at 44,100 Hz" in said and "emotion            1 (happy)" in said


@pytest.mark.slow
def test_context_helps_or_not(tmp_path):
    said = example("conversation", "--data-dir", DUMMY, "--condition", "audio", "--k", "2", cwd=tmp_path).stdout
    k2, k0, difference = said.splitlines()
    assert re.fullmatch(r"k=2: WAR [\d.]+ %, UAR [\d.]+ %", k2) and k0.startswith("k=0: WAR ")
    assert re.fullmatch(r"difference of UAR: [+-][\d.]+ \([+-][\d.]+ … [+-][\d.]+\)", difference)


def test_who_said_what_before():
    """The windows of the example: the speaker's own turns apart from the other's; none of another dialogue."""
    found = names_of("conversation")
    turns = [{"text": text, "speaker_id": speaker} for text, speaker in (("一", "1"), ("二", "2"), ("三", "1"))]
    windows = found["windows_of"]([{"turns": turns}, {"turns": turns[:1]}], 3)
    assert found["texts_of"](windows) == (["一", "二", "三", "一"], ["", "", "一", ""], ["", "一", "二", ""])


def names_of(name):
    """The names that an example defines."""
    found = {"__name__": name}
    exec(compile((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"), name, "exec"), found)
    return found


@pytest.mark.slow
def test_votes_and_labels(tmp_path):
    labels, votes = example("soft_labels", "--data-dir", DUMMY, cwd=tmp_path).stdout.splitlines()
    numbers = re.compile(r"trained on (\w+): KL ([\d.]+), WAR [\d.]+ %, UAR [\d.]+ %")
    found = {match[1]: float(match[2]) for match in map(numbers.fullmatch, (labels, votes))}
    assert list(found) == ["labels", "votes"] and found["votes"] < found["labels"]


def test_the_divergence_from_votes():
    import numpy

    divergence = names_of("soft_labels")["divergence"]
    votes = numpy.array([[0.8, 0.2, 0.0], [0.0, 1.0, 0.0]])
    assert divergence(votes, votes) == 0
    even = numpy.full((2, 3), 1 / 3)
    by_hand = (0.8 * numpy.log(0.8 * 3) + 0.2 * numpy.log(0.2 * 3) + numpy.log(3)) / 2
    assert divergence(votes, even) == pytest.approx(by_hand)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quickstart", "conversation", "soft_labels"])
def test_without_network_one_line_says_what_to_do(name, tmp_path):
    done = example(name, cwd=tmp_path, status=1, HF_ENDPOINT="http://127.0.0.1:9")
    last = done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr and "Check the network" in last and "data_dir= with a local folder" in last
    if name == "quickstart":
        assert "python examples/quickstart.py dummy_data" in last


@pytest.mark.slow
def test_without_archives_one_line_says_what_to_do(tmp_path):
    for name, options in (("quickstart", []), ("conversation", ["--data-dir"]), ("soft_labels", ["--data-dir"])):
        done = example(name, *options, tmp_path / "none", cwd=tmp_path, status=1)
        assert len(done.stderr.strip().splitlines()) == 1 and "there is no folder" in done.stderr


# --- training


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny speech encoder with random weights."""
    pytest.importorskip("accelerate")
    from test_probe import encoder

    return encoder(tmp_path_factory.mktemp("model") / "ENCODER", "audio")


RESULT = r"^(validation|test): WAR [\d.]+ % \([\d.]+ … [\d.]+\), UAR [\d.]+ % \([\d.]+ … [\d.]+\), 8 utterances$"


def trained(done, folder):
    assert re.findall(RESULT, done.stdout, flags=re.M) == ["validation", "test"]  # once, by the first process
    assert (folder / "RUN/model.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("streaming", [[], ["--streaming"]], ids=["prepared", "stream"])
def test_training(model, tmp_path, streaming):
    options = ["--model", model, "--data-dir", DUMMY, "--max-steps", 3, "--batch-size", 4, "--out", "RUN"]
    trained(example("train_wav2vec2", *options, *streaming, cwd=tmp_path), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("streaming", [[], ["--streaming"]], ids=["prepared", "stream"])
def test_training_in_two_processes(model, tmp_path, streaming):
    """As `torchrun` starts it, on CPUs."""
    options = ["--model", model, "--data-dir", DUMMY, "--max-steps", 2, "--batch-size", 2, "--out", "RUN"]
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2]
    trained(
        run([*start, EXAMPLES / "train_wav2vec2.py", *options, *streaming], tmp_path, OMP_NUM_THREADS="1"), tmp_path
    )


@pytest.mark.slow
def test_a_stream_does_not_say_how_long_it_is(tmp_path):
    pytest.importorskip("accelerate")
    done = example("train_wav2vec2", "--model", "none", "--streaming", cwd=tmp_path, status=2)
    assert "--streaming needs --max-steps" in done.stderr


@pytest.mark.slow
def test_the_parts_of_training(model):
    """Rare classes weigh more; a batch is padded, and says where; labels are there."""
    torch = pytest.importorskip("torch")
    import emotiontalk

    found = names_of("train_wav2vec2")
    train = emotiontalk.load_dataset("audio", DUMMY, split="train", sampling_rate=16_000, mono=True)
    options = found["parser"].parse_args(["--model", str(model), "--data-dir", str(DUMMY)])
    stream = emotiontalk.load_dataset("audio", DUMMY, split="train", streaming=True)
    assert found["counts_of"](train, options) == found["counts_of"](stream, options)
    test = emotiontalk.load_dataset("audio", DUMMY, split="test", sampling_rate=16_000, mono=True)
    rows = [test[n] for n in range(4)]
    batch = found["Collator"](str(model), 0.5)(rows)
    assert batch["labels"].tolist() == [row["emotion"] for row in rows]
    assert batch["input_values"].shape == batch["attention_mask"].shape == (4, 8_000)  # cut at half a second
    lengths = [len(emotiontalk.decode_audio(row["audio"], 16_000, mono=True)["array"]) for row in rows]
    assert batch["attention_mask"].sum(1).tolist() == [max(1_600, min(8_000, length)) for length in lengths]

    class Model:
        def __call__(self, input_values):
            return type("Outputs", (), {"logits": input_values})()

    logits, labels = torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
    trainer = object.__new__(found["EmotionTrainer"])
    losses = []
    for weights in ([1.0, 1.0], [1.0, 3.0]):
        trainer.class_weights = torch.tensor(weights)
        losses.append(trainer.compute_loss(Model(), {"input_values": logits, "labels": labels}).item())
    assert losses[1] > losses[0]


# --- the notebook


def notebook():
    nbformat = pytest.importorskip("nbformat")
    found = nbformat.read(EXAMPLES / "quickstart.ipynb", as_version=4)
    nbformat.validate(found)
    return found


def executed(found, folder, **options):
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    resources = {"metadata": {"path": str(folder)}}
    return nbclient.NotebookClient(found, timeout=300, kernel_name="python3", resources=resources, **options).execute()


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """What the notebook's own process gets: the package, and a clean home."""
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    for name in ("examples", "dummy_data"):
        (tmp_path / name).symlink_to(PROJECT / name)
    return tmp_path / "examples"


@pytest.mark.slow
def test_the_notebook(kernel):
    """Each cell runs in the folder of the notebook; what it shows is a player, words and turns."""
    found = executed(notebook(), kernel)
    outputs = [cell.outputs for cell in found.cells if cell.cell_type == "code"]
    _, row, table_of_labels, counts, audio, dialogue, windows = outputs
    assert '<audio controls preload="metadata"' in row[-1].data["text/html"] and "happy" in row[-1].data["text/plain"]
    assert "emotion" in table_of_labels[-1].data["text/html"] and "angry" in counts[-1].data["text/plain"]
    assert audio[-1].data["text/plain"] == "((19200,), 16000)"
    assert "你好，今天过得怎么样？" in dialogue[-1].data["text/html"] and "还可以吧" in windows[-1].data["text/plain"]
    assert not [out for cell in outputs for out in cell if out.output_type == "error"]


@pytest.mark.slow
def test_the_notebook_without_network(kernel, monkeypatch):
    """One line, no traceback."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    found = notebook()
    first = next(cell for cell in found.cells if cell.cell_type == "code")
    first.source = first.source.replace('"../dummy_data"  #', "None  #")
    found.cells = [first]
    (error,) = [
        out for out in executed(found, kernel, allow_errors=True).cells[0].outputs if out.output_type == "error"
    ]
    assert error.ename == "SystemExit" and "Check the network" in error.evalue and "'../dummy_data'" in error.evalue
    assert "File " not in "".join(error.traceback)


def test_the_notebook_is_stored_without_outputs():
    pytest.importorskip("nbformat")
    cells = notebook().cells
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells if cell.cell_type == "code")


# --- the page


def test_the_page_names_every_example():
    named = [row[0].split("](")[0].strip("[`") for row in table("docs/examples.md", "example")]
    assert sorted(named) == sorted(path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb"))
    for path in EXAMPLES.glob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


@pytest.mark.slow
def test_what_context_is_worth(rebuilt, tmp_path):
    """The numbers of docs/examples.md, on the released labels and transcriptions."""
    said = example("conversation", "--data-dir", rebuilt(), cwd=tmp_path).stdout
    found = {match[0]: list(map(float, match[1:])) for match in re.findall(r"k=(\d): WAR (\S+) %, UAR (\S+) %", said)}
    rows = table("docs/examples.md", "turns before")
    assert {k: [float(war), float(uar)] for k, war, uar in rows} == {
        k: pytest.approx(values, abs=0.5) for k, values in found.items()
    }
    low, high = re.search(r"difference of UAR: \S+ \(\+(\S+) … \+(\S+)\)", said).groups()
    assert 1 < float(low) < float(high) < 8  # and so the interval is above 0


def test_the_blocks_of_the_page_are_these():
    """They run in test_pages.py."""
    assert [kind for kind, _ in blocks("docs/examples.md")] == ["sh", "python", "sh"]
