"""Kaldi data directories: `<split>/{wav.scp,text,utt2spk,spk2utt,utt2emo,utt2dur}`, sorted by bytes (LC_ALL=C).

Ids begin with the speaker, here alone: Kaldi's scripts demand one order by utterance and by speaker.
"""

from __future__ import annotations

import collections
import re

from emotiontalk.export.context import WriterContext
from emotiontalk.export.files_request import FilesRequest
from emotiontalk.export.format import Format
from emotiontalk.export.utterances import UtteranceRow, Utterances
from emotiontalk.request_error import RequestError


class KaldiFormat(Format):
    """What Kaldi, WeNet, ESPnet, icefall read."""

    name = "kaldi"
    toolkit = "Kaldi, WeNet, ESPnet, icefall"

    def check(self, request: FilesRequest) -> str | None:
        """See `Format`. A path with a blank would be a command, or two fields, in `wav.scp`."""
        if re.search(r"\s", str(request.out.resolve())):
            raise RequestError(
                f'kaldi: "{request.out.resolve()}" has a blank, which wav.scp cannot hold: choose another folder.'
            )
        if request.audio_format.channels == 1:
            return None
        return "kaldi: of two channels, Kaldi and WeNet read the first; and Kaldi's features need one sampling rate."

    def write(self, context: WriterContext, utterances: Utterances) -> dict[str, int]:
        """See `Format`."""
        for split, rows in utterances.rows.items():
            by_id = {_id(row): row for row in rows}
            speakers = collections.defaultdict(list)
            for uid in sorted(by_id):
                speakers[by_id[uid].speaker].append(uid)
            tables = {
                "wav.scp": {uid: context.absolute_path(row) for uid, row in by_id.items()},
                "text": {uid: row.text for uid, row in by_id.items()},
                "utt2spk": {uid: row.speaker for uid, row in by_id.items()},
                "spk2utt": {speaker: " ".join(uids) for speaker, uids in speakers.items()},
                "utt2emo": {uid: row.emotion for uid, row in by_id.items()},
                "utt2dur": {uid: f"{row.seconds:.6f}" for uid, row in by_id.items()},
            }
            for name, table in tables.items():
                lines = sorted(f"{key} {value}".rstrip().encode() for key, value in table.items())
                context.write_file(f"kaldi/{split}/{name}", b"".join(line + b"\n" for line in lines))
        return utterances.counts()

    def how_to_start(self, context: WriterContext, utterances: Utterances) -> str:
        """See `Format`."""
        folder, split = context.request.out.resolve() / "kaldi", context.example_split
        rate = context.request.audio_format.rate
        return f"""Ids are `<speaker>-<id>`. Copy or link `kaldi/<split>` to `data/<split>` of a recipe. Kaldi:

    utils/validate_data_dir.sh --no-feats data/{split}

Add `--non-print` where `locale -a` lists `C.utf8` and not `C.UTF-8`: the script looks for the second alone, and takes
Chinese for characters that cannot be printed. WeNet, in its checkout:

    python tools/make_raw_list.py {folder}/{split}/wav.scp {folder}/{split}/text data.list

ESPnet, in a recipe of `asr1` (not run here, it needs an installation of ESPnet):

    ./asr.sh --lang zh --token_type char --stage 2 --train_set train --valid_set validation --test_sets test

Lhotse:

    from lhotse.kaldi import load_kaldi_data_dir
    recordings, supervisions, _ = load_kaldi_data_dir("kaldi/{split}", sampling_rate={rate})
"""


def _id(row: UtteranceRow) -> str:
    return f"{row.speaker}-{row.id}"
