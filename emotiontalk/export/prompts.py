"""What large audio models are asked about a clip, and the answer that the corpus gives: of each task."""

from __future__ import annotations

from emotiontalk.choices import CAPTIONS
from emotiontalk.corpus import SENTIMENTS
from emotiontalk.export.utterances import UtteranceRow

# {clip}: the medium; {labels}: the emotions to choose from
PROMPTS = {
    ("emotion", "zh"): "这段话表达了哪种情感？只回答一个词：{labels}。",
    ("emotion", "en"): "Which emotion does this utterance express? Answer with one word: {labels}.",
    ("sentiment", "zh"): "这段话表达了哪种情感倾向？只回答一项：{labels}。",
    ("sentiment", "en"): "Which sentiment does this utterance express? Answer with one of: {labels}.",
    ("asr", "zh"): "请逐字转写这段{clip}。",
    ("asr", "en"): "Transcribe this utterance word by word.",
    ("caption", "zh"): "请用一句话描述这段{clip}的说话人、风格和情感。",
    ("caption", "en"): "Describe the speaker, the style and the emotion of this utterance in one sentence.",
    ("caption-speaker", "zh"): "请用一句话描述这段{clip}的说话人。",
    ("caption-speaker", "en"): "Describe the speaker of this utterance in one sentence.",
    ("caption-style", "zh"): "请用一句话描述这段{clip}的说话风格。",
    ("caption-style", "en"): "Describe the speaking style of this utterance in one sentence.",
    ("caption-emotion", "zh"): "请用一句话描述这段{clip}的情感。",
    ("caption-emotion", "en"): "Describe the emotion of this utterance in one sentence.",
}
CLIPS = {"audio": "语音", "video": "视频"}


def task_name(task: str, caption: str) -> str:
    """Return the name of a task: that of captions has the kind of the caption, but for the whole one."""
    return f"{task}-{caption}" if task == "caption" and caption != CAPTIONS[0] else task


def prompt(task: str, language: str, labels: tuple[str, ...], media: str = "audio") -> str:
    """Return what is asked, by the name of the task."""
    joined = ("、" if language == "zh" else ", ").join(labels)
    return PROMPTS[task, language].format(labels=joined, clip=CLIPS[media])


def references(row: UtteranceRow, task: str) -> list[str]:
    """Return the right answers: several for the whole caption, none where the release has none."""
    if task == "emotion":
        return [row.emotion]
    if task == "sentiment":
        sentiment = row.fields.get("sentiment")
        return [] if sentiment is None else [SENTIMENTS[sentiment]]
    if task == "asr":
        return [row.text] if row.text else []
    captions = row.fields.get("captions") or {}
    kind = task.partition("-")[2]
    texts = [captions.get(kind)] if kind else captions.get(CAPTIONS[0]) or []
    return [caption for caption in texts if caption]
