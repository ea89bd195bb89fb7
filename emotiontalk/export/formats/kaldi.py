"""Kaldi data directories: `<split>/{wav.scp,text,utt2spk,spk2utt,utt2emo,utt2dur}`, sorted by bytes (LC_ALL=C).

Ids begin with the speaker, here alone: Kaldi's scripts demand one order by utterance and by speaker.
"""

from __future__ import annotations

import collections
import re
from pathlib import Path

from emotiontalk.audio import AudioFormat
from emotiontalk.export.job import Job, Row, Rows
from emotiontalk.request_error import RequestError

TOOLKIT, AUDIO = "Kaldi, WeNet, ESPnet, icefall", "files"


def check(out: Path, audio_format: AudioFormat) -> str | None:
    """See `toolkits`. A path with a blank would be a command, or two fields, in `wav.scp`."""
    if re.search(r"\s", str(out.resolve())):
        raise RequestError(f'kaldi: "{out.resolve()}" has a blank, which wav.scp cannot hold: choose another folder.')
    if audio_format.channels == 1:
        return None
    return "kaldi: of two channels, Kaldi and WeNet read the first; and Kaldi's features need one sampling rate."


def write(job: Job, rows: Rows) -> None:
    """See `toolkits`."""
    for split, utterances in rows.items():
        by_id = {_id(row): row for row in utterances}
        speakers = collections.defaultdict(list)
        for uid in sorted(by_id):
            speakers[by_id[uid].speaker].append(uid)
        tables = {
            "wav.scp": {uid: job.absolute(row) for uid, row in by_id.items()},
            "text": {uid: row.text for uid, row in by_id.items()},
            "utt2spk": {uid: row.speaker for uid, row in by_id.items()},
            "spk2utt": {speaker: " ".join(uids) for speaker, uids in speakers.items()},
            "utt2emo": {uid: row.emotion for uid, row in by_id.items()},
            "utt2dur": {uid: f"{row.seconds:.6f}" for uid, row in by_id.items()},
        }
        for name, table in tables.items():
            lines = sorted(f"{key} {value}".rstrip().encode() for key, value in table.items())
            job.write(f"kaldi/{split}/{name}", b"".join(line + b"\n" for line in lines))


def _id(row: Row) -> str:
    return f"{row.speaker}-{row.id}"


def start(job: Job) -> str:
    """See `toolkits`."""
    folder, split = job.out.resolve() / "kaldi", job.example
    return f"""Ids are `<speaker>-<id>`. Copy or link `kaldi/<split>` to `data/<split>` of a recipe. Kaldi:

    utils/validate_data_dir.sh --no-feats data/{split}

Add `--non-print` where `locale -a` lists `C.utf8` and not `C.UTF-8`: the script looks for the second alone, and takes
Chinese for characters that cannot be printed. WeNet, in its checkout:

    python tools/make_raw_list.py {folder}/{split}/wav.scp {folder}/{split}/text data.list

ESPnet, in a recipe of `asr1` (not run here, it needs an installation of ESPnet):

    ./asr.sh --lang zh --token_type char --stage 2 --train_set train --valid_set validation --test_sets test

Lhotse:

    from lhotse.kaldi import load_kaldi_data_dir
    recordings, supervisions, _ = load_kaldi_data_dir("kaldi/{split}", sampling_rate={job.audio_format.rate})
"""
