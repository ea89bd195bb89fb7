"""NeMo manifests: `{train,validation,test}.jsonl`, for recognition (`text`) and classification (`label`)."""

from __future__ import annotations

from emotiontalk.export.context import WriterContext
from emotiontalk.export.files_request import FilesRequest
from emotiontalk.export.format import Format
from emotiontalk.export.utterances import Utterances
from emotiontalk.folder import jsonl


class NeMoFormat(Format):
    """What NVIDIA NeMo reads."""

    name = "nemo"
    toolkit = "NVIDIA NeMo"

    def check(self, request: FilesRequest) -> str | None:
        """See `Format`."""
        if request.audio_format.channels == 1:
            return None
        return (
            "nemo: NeMo takes one channel: give its datasets channel_selector=average, or write audio of one channel."
        )

    def write(self, context: WriterContext, utterances: Utterances) -> dict[str, int]:
        """See `Format`."""
        for split, rows in utterances.rows.items():
            records = (
                {
                    "audio_filepath": context.absolute_path(row),
                    "duration": row.seconds,
                    "text": row.text,
                    "emotion": row.emotion,
                    "label": row.emotion,
                    "speaker": row.speaker,
                    "lang": "zh",
                }
                for row in rows
            )
            context.write_file(f"nemo/{split}.jsonl", jsonl(records))
        return utterances.counts()

    def how_to_start(self, context: WriterContext, utterances: Utterances) -> str:
        """See `Format`."""
        folder = context.request.out.resolve() / "nemo"
        return f"""\
`label` is the emotion again: it is what the classification models of NeMo read. In a checkout of NeMo:

    python examples/asr/speech_classification/speech_to_label.py --config-path=../conf/matchboxnet \\
        --config-name=matchboxnet_3x1x64_v1 model.labels=[{",".join(context.request.emotions)}] \\
        model.train_ds.manifest_filepath={folder}/train.jsonl \\
        model.validation_ds.manifest_filepath={folder}/validation.jsonl \\
        model.test_ds.manifest_filepath={folder}/test.jsonl

NeMo's own manifest collections read these files; the training was not run with them.
"""
