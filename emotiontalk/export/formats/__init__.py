"""The formats of `export_files`: a module each, and the table of them. `export.format` says what a format is."""

from __future__ import annotations

from emotiontalk.export.format import Format
from emotiontalk.export.formats.audformat import AudformatFormat
from emotiontalk.export.formats.csv_tables import CsvFormat
from emotiontalk.export.formats.emobox import EmoBoxFormat
from emotiontalk.export.formats.evaluation import EvaluationFormat
from emotiontalk.export.formats.funasr import FunASRFormat
from emotiontalk.export.formats.kaldi import KaldiFormat
from emotiontalk.export.formats.lhotse import LhotseFormat
from emotiontalk.export.formats.merbench import MERBenchFormat
from emotiontalk.export.formats.messages import MessagesFormat
from emotiontalk.export.formats.nemo import NeMoFormat
from emotiontalk.export.formats.s3prl import S3PRLFormat
from emotiontalk.export.formats.speechbrain import SpeechBrainFormat
from emotiontalk.export.formats.webdataset import WebDatasetFormat

# name -> format, in the order of `choices.TOOLKITS`
FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        KaldiFormat(), LhotseFormat(), EmoBoxFormat(), SpeechBrainFormat(), S3PRLFormat(), FunASRFormat(),
        MessagesFormat(), WebDatasetFormat(), MERBenchFormat(), AudformatFormat(), NeMoFormat(), EvaluationFormat(),
        CsvFormat(),
    )
}  # fmt: skip
