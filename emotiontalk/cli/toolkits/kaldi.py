"""Kaldi data directories: `<split>/{wav.scp,text,utt2spk,spk2utt,utt2emo,utt2dur}`, sorted by bytes (LC_ALL=C)."""

from __future__ import annotations

import collections

from ..job import Job, Rows

TOOLKIT, AUDIO = "Kaldi, ESPnet, icefall", "files"


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    for split, utterances in rows.items():
        speakers = collections.defaultdict(list)
        for row in utterances:
            speakers[row.speaker].append(row.id)
        tables = {
            "wav.scp": {row.id: job.absolute(row) for row in utterances},
            "text": {row.id: row.text for row in utterances},
            "utt2spk": {row.id: row.speaker for row in utterances},
            "spk2utt": {speaker: " ".join(sorted(ids)) for speaker, ids in speakers.items()},
            "utt2emo": {row.id: row.emotion for row in utterances},
            "utt2dur": {row.id: f"{row.seconds:.6f}" for row in utterances},
        }
        for name, table in tables.items():
            lines = sorted(f"{key} {value}".rstrip().encode() for key, value in table.items())
            job.write(f"kaldi/{split}/{name}", b"".join(line + b"\n" for line in lines))


def start(job: Job) -> str:
    """See `toolkits`."""
    return f"""Copy or link `kaldi/<split>` to `data/<split>` of a recipe. The ids are those of the corpus, which do not
begin with the speaker: `utils/validate_data_dir.sh --no-feats --no-spk-sort data/{job.example}`.

    from lhotse.kaldi import load_kaldi_data_dir
    recordings, supervisions, _ = load_kaldi_data_dir("kaldi/{job.example}", sampling_rate={job.conversion.rate})
"""
