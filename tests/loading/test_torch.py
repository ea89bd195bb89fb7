"""Into PyTorch: batches of a `DataLoader` with workers, prepared and streamed, as people train."""

import pytest
from support import rows

import emotiontalk

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch")


def collate(batch):
    """Sounds at 16 kHz, one channel, padded; labels."""
    sounds = [torch.from_numpy(emotiontalk.decode_audio(row["audio"], 16_000, mono=True)["array"]) for row in batch]
    padded = torch.nn.utils.rnn.pad_sequence(sounds, batch_first=True)
    return [row["id"] for row in batch], padded, torch.tensor([row["emotion"] for row in batch])


@pytest.mark.parametrize("workers", [0, 2, 4])
@pytest.mark.parametrize("streaming", [False, True])
def test_every_utterance_comes_once(call, rebuilt, workers, streaming):
    dataset = call("audio", rebuilt(), split="test", streaming=streaming)
    expected = [row["id"] for row in rows(call("text", rebuilt(), split="test"))]
    loader = torch.utils.data.DataLoader(dataset, batch_size=64, num_workers=workers, collate_fn=collate)
    ids = []
    for names, sounds, labels in loader:
        assert (
            sounds.dtype == torch.float32
            and len(names) == len(sounds) == len(labels)
            and int(labels.min()) >= 0
            and int(labels.max()) <= 6
        )
        ids += names
    assert len(ids) == 1_929 and sorted(ids) == expected
    if not streaming or not workers:
        assert ids == expected
