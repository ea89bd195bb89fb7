"""Heads by the recipes of EmoBox, SUPERB and emotion2vec, and ridge regression: settings, networks, training."""

import dataclasses
import itertools
import json
import math
import sys

import datasets
import numpy
import pytest
import scipy.sparse
import sklearn.linear_model
import sklearn.preprocessing
import support

from emotiontalk.probing.heads import ridge
from emotiontalk.probing.heads.recipes import RECIPES
from emotiontalk.probing.heads.training import fit, shuffled
from emotiontalk.request_error import RequestError

pytestmark = support.once
slow = pytest.mark.slow
SIZES = {"train": 240, "validation": 60, "test": 120}
CLASSES, DIMS = 4, 12


@pytest.fixture
def heads():
    """The module, with one thread: more of them wait for one another in networks as small as these."""
    torch = pytest.importorskip("torch")
    from emotiontalk.probing.heads import networks as heads

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield heads
    torch.set_num_threads(before)


def quick(name, **values):
    """The recipe with fewer epochs or steps, and a rate that learns in them."""
    short = {"steps": 120, "evaluate_every": 20, "learning_rate": 1e-2} if name == "superb" else {"epochs": 12}
    return dataclasses.replace(RECIPES[name], **{**short, **values})


def made(name, seed=0, noise=1.0, layer=2):
    """({split: features}, {split: labels}): the class is in the mean over time, or in one of five layers."""
    random = numpy.random.default_rng(seed)
    centres = random.normal(size=(CLASSES, DIMS)) * 3
    y = {split: random.integers(0, CLASSES, size) for split, size in SIZES.items()}

    def layers(label):
        item = random.normal(0, noise, (5, DIMS))
        item[layer] += centres[label]
        return item.astype("float16")

    def frames(label):
        item = random.normal(0, noise, (random.integers(1, 30), DIMS))
        return (item - item.mean(axis=0) + random.normal(0, noise / 4, DIMS) + centres[label]).astype("float16")

    one = layers if name == "superb" else frames
    return {split: [one(label) for label in labels] for split, labels in y.items()}, y


def accuracy(fitted, x, y, split):
    return (fitted.probabilities(x[split]).argmax(axis=1) == y[split]).mean()


def weights(head):
    return {name: value.detach().double().numpy() for name, value in head.named_parameters()}


# What is published, from the files that `source` names, at its commit.
PUBLISHED = {
    # README.md, the command of "Example Recipe": --batch_size 32 --lr 1e-4 --number_of_epochs 100 --hidden_size 128
    # and --output_norm. train.py: Adam, no other option. SpeechBrain 0.5.16: max_grad_norm 5.0.
    "emobox": {
        "inputs": "frames", "hidden": 128, "activation": "relu", "normalise": True, "optimiser": "Adam",
        "optimiser_options": {}, "learning_rate": 1e-4, "weight_decay": 0, "schedule": "warmup",
        "schedule_options": {"warmup_epochs": 10}, "batch": 32, "accumulation": 1, "clipping": 5, "epochs": 100,
        "steps": 0, "evaluate_every": 0,
    },
    # config.yaml: projector_dim 256, Adam, lr 1.0e-4, train_batch_size 4, gradient_accumulate_steps 8,
    # gradient_clipping 1, total_steps 30000, eval_step 1000.
    "superb": {
        "inputs": "layers", "hidden": 256, "activation": "none", "normalise": False, "optimiser": "Adam",
        "optimiser_options": {}, "learning_rate": 1e-4, "weight_decay": 0, "schedule": "constant",
        "schedule_options": {}, "batch": 4, "accumulation": 8, "clipping": 1, "epochs": 0, "steps": 30_000,
        "evaluate_every": 1_000,
    },
    # main.py: RMSprop(lr=5e-4, momentum=0.9) without weight decay, CyclicLR(max_lr=1e-3, step_size_up=10); model.py:
    # 256; train.sh: batch 128, 100 epochs.
    "emotion2vec": {
        "inputs": "frames", "hidden": 256, "activation": "relu", "normalise": False, "optimiser": "RMSprop",
        "optimiser_options": {"momentum": 0.9}, "learning_rate": 5e-4, "weight_decay": 0, "schedule": "cyclic",
        "schedule_options": {"max_lr": 1e-3, "step_size_up": 10}, "batch": 128, "accumulation": 1, "clipping": None,
        "epochs": 100, "steps": 0,
    },
}  # fmt: skip


def test_settings_are_those_published():
    assert list(RECIPES) == list(PUBLISHED)
    for name, published in PUBLISHED.items():
        settings = dataclasses.asdict(RECIPES[name])
        assert {key: settings[key] for key in published} == published
        assert " @ " in settings["source"] and "validation accuracy" in settings["selection"]
    assert list(RECIPES["emobox"].evaluations) == list(range(1, 101))
    assert list(RECIPES["superb"].evaluations) == [1_000 * n for n in range(1, 31)]
    with pytest.raises(ValueError, match="evaluates nothing"):
        dataclasses.replace(RECIPES["superb"], steps=999)


def test_each_epoch_has_each_utterance_once_in_another_order():
    batches = shuffled(10, 4, numpy.random.default_rng(0))
    epochs = [list(itertools.islice(batches, 3)) for _ in range(2)]
    assert [[len(batch) for batch in epoch] for epoch in epochs] == [[4, 4, 2]] * 2
    orders = [numpy.concatenate(epoch).tolist() for epoch in epochs]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10)) and orders[0] != orders[1]


@slow
@pytest.mark.parametrize("name", ["emobox", "emotion2vec"])
def test_frames_go_through_the_published_network(heads, name):
    """By hand, in numpy: padded with zeros and masked, as both have it."""
    x, _ = made(name)
    items = x["test"]
    head = heads.build(RECIPES[name], items[0], CLASSES, seed=3)
    w = weights(head)
    assert w["pre_net.weight"].shape == (RECIPES[name].hidden, DIMS)
    given = [item.astype(float) for item in items]
    if RECIPES[name].normalise:  # layer_norm over frames and dimensions: biased variance, epsilon 1e-5
        given = [(item - item.mean()) / numpy.sqrt(item.var() + 1e-5) for item in given]
    longest = max(map(len, given))
    padded = numpy.stack([numpy.pad(item, ((0, longest - len(item)), (0, 0))) for item in given])
    mask = numpy.array([[1.0] * len(item) + [0.0] * (longest - len(item)) for item in given])
    hidden = numpy.maximum(padded @ w["pre_net.weight"].T + w["pre_net.bias"], 0)
    mean = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    logits = mean @ w["post_net.weight"].T + w["post_net.bias"]
    expected = numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)
    found = head.probabilities(items)
    assert found.dtype == numpy.float64 and found == pytest.approx(expected, abs=1e-5)
    alone = numpy.concatenate([head.probabilities([item]) for item in items])
    assert found == pytest.approx(alone, abs=1e-6)


@slow
def test_layer_means_give_what_s3prl_computes_on_frames(heads):
    """S3PRL: softmax weights sum the layers frame by frame, projector, mean over time, linear."""
    random = numpy.random.default_rng(1)
    utterances = [random.normal(size=(5, random.integers(1, 40), DIMS)).astype("float32") for _ in range(20)]
    means = [utterance.mean(axis=1) for utterance in utterances]
    head = heads.build(RECIPES["superb"], means[0], CLASSES, seed=3)
    assert head.layer_weights() == pytest.approx([0.2] * 5)
    head.weights.data += heads.torch.arange(5) / 3
    w = weights(head)
    assert w["projector.weight"].shape == (256, DIMS)
    share = numpy.exp(w["weights"]) / numpy.exp(w["weights"]).sum()
    expected = []
    for utterance in utterances:
        frames = numpy.einsum("l,ltd->td", share, utterance.astype(float))
        projected = frames @ w["projector.weight"].T + w["projector.bias"]
        logits = projected.mean(axis=0) @ w["linear.weight"].T + w["linear.bias"]
        expected.append(numpy.exp(logits) / numpy.exp(logits).sum())
    assert head.probabilities(means) == pytest.approx(numpy.array(expected), abs=1e-5)


@slow
def test_a_step_of_superb_is_eight_batches_that_add_up_and_are_clipped(heads):
    """The last batch of an epoch is smaller, and counts as much: one backward pass each, as in S3PRL's runner."""
    torch = heads.torch
    x, y = made("superb")
    recipe = RECIPES["superb"]
    batches = list(itertools.islice(shuffled(30, 4, numpy.random.default_rng(5)), 8))
    assert len(batches[-1]) == 2
    found, expected = (heads.build(recipe, x["train"][0], CLASSES, seed=3) for _ in range(2))
    heads.Trainer(recipe, found).update(x["train"], y["train"], batches)
    adam = torch.optim.Adam(expected.parameters(), lr=1e-4)
    for batch in batches:
        layers = torch.tensor(numpy.stack([x["train"][n] for n in batch]).astype("float32"))
        (torch.nn.CrossEntropyLoss()(expected(layers), torch.tensor(y["train"][batch])) / 8).backward()
    norm = torch.nn.utils.clip_grad_norm_(expected.parameters(), 1)
    assert norm > 1
    adam.step()
    for name, value in weights(expected).items():
        assert weights(found)[name] == pytest.approx(value, abs=1e-6)
        grad = dict(found.named_parameters())[name].grad
        assert grad.numpy() == pytest.approx(dict(expected.named_parameters())[name].grad.numpy(), abs=1e-5)


def rates(heads, name, epochs):
    """[(learning rate, momentum)] of each epoch."""
    trainer = heads.Trainer(RECIPES[name], heads.build(RECIPES[name], numpy.ones((2, 3)), CLASSES, 0))
    found = []
    for _ in range(epochs):
        group = trainer.optimiser.param_groups[0]
        found.append((group["lr"], group.get("momentum")))
        trainer.optimiser.step()
        trainer.scheduler.step()
    return found


@slow
@pytest.mark.filterwarnings("ignore:Detected call of")
def test_learning_rates_go_as_published(heads):
    found = [rate for rate, _ in rates(heads, "emobox", 100)]
    # SpeechBrain's scheduler is asked for the first time when the first epoch has ended, and says 0.
    assert found[:4] == pytest.approx([1e-4, 0, 1e-5, 2e-5]) and found[11] == max(found[1:]) == pytest.approx(1e-4)
    assert found[12] == pytest.approx(1e-4 * 89 / 90) and found[99] == pytest.approx(1e-4 * 2 / 90)
    found = rates(heads, "emotion2vec", 41)
    assert [found[n] for n in (0, 5, 10, 20, 30, 40)] == [
        pytest.approx(pair)
        for pair in ((5e-4, 0.9), (7.5e-4, 0.85), (1e-3, 0.8), (5e-4, 0.9), (1e-3, 0.8), (5e-4, 0.9))
    ]
    assert set(rates(heads, "superb", 5)) == {(1e-4, None)}


@slow
@pytest.mark.parametrize("name", ["emobox", "emotion2vec"])
def test_training_is_that_of_a_plain_loop(heads, name):
    """From the same weights, in the same order of utterances: padding, loss, optimiser and rates by hand."""
    torch = heads.torch
    x, y = made(name, noise=3.0)
    epochs, recipe = 14, quick(name, epochs=14)
    head = heads.build(recipe, x["train"][0], CLASSES, seed=5)
    if name == "emobox":  # 1 epoch at the rate, then the schedule of 10 epochs up and 4 down, from its beginning
        optimiser = torch.optim.Adam(head.parameters(), lr=1e-4)
        plan = [(1e-4 * share, None) for share in (1, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 0.75, 0.5)]
    else:  # triangles: up for 10 epochs, while the momentum goes down
        optimiser = torch.optim.RMSprop(head.parameters(), lr=5e-4, momentum=0.9)
        up = [n / 10 if n <= 10 else 2 - n / 10 for n in range(epochs)]
        plan = [(5e-4 + 5e-4 * share, 0.9 - 0.1 * share) for share in up]
    batches = shuffled(SIZES["train"], recipe.batch, numpy.random.default_rng(5))
    for rate, momentum in plan:
        optimiser.param_groups[0].update({"lr": rate, **({"momentum": momentum} if momentum else {})})
        for batch in itertools.islice(batches, math.ceil(SIZES["train"] / recipe.batch)):
            items = [torch.tensor(x["train"][n].astype("float32")) for n in batch]
            if name == "emobox":
                items = [torch.nn.functional.layer_norm(item, item.shape) for item in items]
            padded = torch.nn.utils.rnn.pad_sequence(items, batch_first=True)
            mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(item), 1) for item in items], batch_first=True)
            hidden = (torch.relu(head.pre_net(padded)) * mask).sum(dim=1) / mask.sum(dim=1)
            loss = torch.nn.CrossEntropyLoss()(head.post_net(hidden), torch.tensor(y["train"][batch]))
            optimiser.zero_grad()
            loss.backward()
            if name == "emobox":
                torch.nn.utils.clip_grad_norm_(head.parameters(), 5)
            optimiser.step()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads.Head, "load_state_dict", lambda *_: None)  # the weights of the last epoch stay
        fitted = fit(recipe, x, y, CLASSES, 5, "cpu", progress=False)
    assert fitted.probabilities(x["test"]) == pytest.approx(head.probabilities(x["test"]), abs=1e-4)


@slow
@pytest.mark.parametrize("name", [name for name in RECIPES if name != "superb"])  # its 30,000 steps take minutes
def test_a_head_learns_what_is_there_at_full_length(heads, name):
    x, y = made(name)
    fitted = fit(RECIPES[name], x, y, CLASSES, seed=0, device="cpu", progress=False)
    assert accuracy(fitted, x, y, "validation") == fitted.validation[fitted.chosen] == max(fitted.validation.values())
    assert accuracy(fitted, x, y, "test") > 0.95 and list(fitted.validation) == list(RECIPES[name].evaluations)
    assert fitted.layer_weights is None


@slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_seed_gives_the_same_head_and_the_first_best_is_tested(heads, name):
    x, y = made(name, noise=4.0)
    recipe = quick(name)
    first = fit(recipe, x, y, CLASSES, 1, "cpu", progress=False)
    heads.torch.rand(1)  # what else draws random numbers does not matter
    again, other = (fit(recipe, x, y, CLASSES, seed, "cpu", progress=False) for seed in (1, 2))
    found = first.probabilities(x["test"])
    assert (found == again.probabilities(x["test"])).all() and first.settings() == again.settings()
    assert (found != other.probabilities(x["test"])).any()
    assert found.shape == (SIZES["test"], CLASSES) and found.sum(axis=1) == pytest.approx(1)
    best = max(first.validation.values())
    assert first.chosen == next(at for at, share in first.validation.items() if share == best)
    assert accuracy(first, x, y, "validation") == best
    end = dataclasses.replace(recipe, **{"steps": first.chosen} if recipe.steps else {"epochs": first.chosen})
    if recipe.schedule != "warmup":  # whose rates depend on how many epochs there are
        assert (fit(end, x, y, CLASSES, 1, "cpu", progress=False).probabilities(x["test"]) == found).all()


@slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_vector_is_one_frame_or_layer_and_the_settings_say_so(heads, name):
    x, y = made(name)
    x = {split: numpy.stack([item[2 if name == "superb" else slice(None)] for item in items]) if name == "superb"
         else numpy.stack([item.mean(axis=0) for item in items]) for split, items in x.items()}  # fmt: skip
    fitted = fit(quick(name), x, y, CLASSES, 0, "cpu", progress=False)
    settings = json.loads(json.dumps(fitted.settings()))
    assert settings["given"].startswith("one vector an utterance") and settings["source"] == RECIPES[name].source
    assert settings["chosen"] == fitted.chosen and str(fitted.chosen) in settings["validation_accuracy"]
    rows = {split: [vector[None] for vector in vectors] for split, vectors in x.items()}
    same = fit(quick(name), rows, y, CLASSES, 0, "cpu", progress=False)
    assert (same.probabilities(rows["test"]) == fitted.probabilities(x["test"])).all()
    assert same.settings()["given"] == RECIPES[name].inputs


class Watched:
    """A sequence that notes which of its items are read."""

    def __init__(self, items):
        self.items, self.read = items, []

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        self.read.append(int(index))
        return self.items[index]


@slow
def test_features_are_read_a_batch_at_a_time(heads, monkeypatch):
    x, y = made("emotion2vec")
    watched = Watched(x["train"])
    most, plain = [], heads.FrameHead.gather

    def gather(head, features, indices):
        before = len(watched.read)
        result = plain(head, features, indices)
        most.append(len(watched.read) - before)
        return result

    monkeypatch.setattr(heads.FrameHead, "gather", gather)
    fit(quick("emotion2vec", epochs=2, batch=16), {**x, "train": watched}, y, CLASSES, 0, "cpu", progress=False)
    assert max(most) == 16 and {*watched.read} == set(range(SIZES["train"]))


@slow
def test_what_cannot_be_learned_is_told_in_a_line(heads, monkeypatch):
    x, y = made("emobox")
    recipe = quick("emobox", epochs=1)

    def with_first(item):
        return {**x, "validation": [item, *x["validation"][1:]]}

    with pytest.raises(RequestError, match="infinite"):
        fit(recipe, with_first(numpy.full((3, DIMS), numpy.inf)), y, CLASSES, 0, "cpu", progress=False)
    with pytest.raises(RequestError, match=r"\(0, 12\)"):
        fit(recipe, with_first(numpy.empty((0, DIMS))), y, CLASSES, 0, "cpu", progress=False)
    with pytest.raises(RequestError, match="device='gpu'"):
        fit(recipe, x, y, CLASSES, 0, "gpu", progress=False)
    monkeypatch.delattr("emotiontalk.probing.heads.networks")
    monkeypatch.setitem(sys.modules, "emotiontalk.probing.heads.networks", None)
    with pytest.raises(RequestError, match=r"needs torch: pip install"):
        fit(recipe, x, y, CLASSES, 0, "cpu", progress=False)


@slow
def test_small_networks_train_in_one_thread(heads, monkeypatch):
    heads.torch.set_num_threads(2)
    seen = []
    plain = heads.Trainer.update
    monkeypatch.setattr(
        heads.Trainer, "update", lambda *given: (seen.append(heads.torch.get_num_threads()), plain(*given))
    )
    for name in RECIPES:
        x, y = made(name)
        short = {"steps": 1, "evaluate_every": 1} if name == "superb" else {"epochs": 1}
        fit(quick(name, **short), x, y, CLASSES, 0, "cpu", progress=False)
        assert {*seen} == {1 if name == "superb" else 2} and heads.torch.get_num_threads() == 2
        seen.clear()


@slow
def test_the_bar_shows_updates_and_the_accuracy(heads, capsys):
    x, y = made("superb")
    datasets.enable_progress_bars()
    try:
        fit(quick("superb", steps=40), x, y, CLASSES, 7, "cpu")
    finally:
        datasets.disable_progress_bars()  # as in all tests
    said = capsys.readouterr().err
    assert "superb, seed 7, validation" in said and "40/40" in said


def scores(size, random):
    return numpy.round(numpy.clip(random.normal(0, 1, size), -2, 2) * 5) / 5


def linear(seed=0, dims=30):
    """Features with a score in them, and the scores."""
    random = numpy.random.default_rng(seed)
    y = {split: scores(size, random) for split, size in SIZES.items()}
    direction = random.normal(size=dims)
    x = {split: 7 + 3 * (numpy.outer(y[split], direction) + random.normal(0, 2, (len(y[split]), dims))) for split in y}
    return {split: table.astype("float32") for split, table in x.items()}, y


def test_ridge_is_the_closed_form_on_standardised_features():
    x, y = linear()
    fitted = ridge.fit(x, y)
    train = x["train"].astype(float)
    mean, scale = train.mean(axis=0), train.std(axis=0)
    z, centred = (train - mean) / scale, y["train"] - y["train"].mean()
    errors = {}
    for alpha in (0.01, 0.1, 1, 10, 100, 1e3, 1e4, 1e5):
        w = numpy.linalg.solve(z.T @ z + alpha * numpy.eye(z.shape[1]), z.T @ centred)
        predicted = ((x["validation"] - mean) / scale) @ w + y["train"].mean()
        errors[alpha] = ((numpy.clip(predicted, -2, 2) - y["validation"]) ** 2).mean()
        if alpha == fitted.alpha:
            test = numpy.clip(((x["test"] - mean) / scale) @ w + y["train"].mean(), -2, 2)
    assert fitted.validation == pytest.approx(errors) and fitted.alpha == min(errors, key=errors.get)
    assert fitted.predict(x["test"]) == pytest.approx(test)
    assert numpy.corrcoef(fitted.predict(x["test"]), y["test"])[0, 1] > 0.9


def test_ridge_of_sparse_features_keeps_them_sparse():
    x, y = linear(seed=1)
    sparse = {split: scipy.sparse.csr_matrix(numpy.maximum(table - 9, 0)) for split, table in x.items()}
    fitted = ridge.fit(sparse, y)
    plain = sklearn.linear_model.Ridge(fitted.alpha).fit(sparse["train"].toarray().astype(float), y["train"])
    expected = numpy.clip(plain.predict(sparse["test"].toarray()), -2, 2)
    assert fitted.predict(sparse["test"]) == pytest.approx(expected, abs=1e-2)
    assert math.isclose(fitted.validation[fitted.alpha], min(fitted.validation.values()))


def test_a_score_stays_on_the_scale():
    x, y = linear(seed=2)
    fitted = ridge.fit(x, y)
    far = fitted.predict(numpy.concatenate([100 * x["test"], -100 * x["test"]]))
    assert far.min() == -2 and far.max() == 2
