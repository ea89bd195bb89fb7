"""The words of the report, in English and in Chinese."""

from __future__ import annotations

import re
from collections.abc import Sequence

import markupsafe

LANGUAGES = {"en": "en", "zh": "zh-CN"}  # and the tag of each in HTML

# The corpus's own names, and the Chinese of each
NAMES = {
    "train": "训练集", "validation": "验证集", "test": "测试集",
    "neutral": "中性", "happy": "高兴", "sad": "悲伤", "angry": "愤怒",
    "surprised": "惊讶", "disgusted": "厌恶", "fearful": "恐惧",
    "negative": "消极", "weakly negative": "弱消极", "weakly positive": "弱积极", "positive": "积极",
    "text-only": "仅文本", "audio-only": "仅音频", "silent-video": "无声视频", "audio-visual": "音视频",
    "mono": "单声道", "stereo": "双声道", "channels": "声道",
}  # fmt: skip

# The page's words: English, Chinese
TEXTS = {
    "title": ("EmotionTalk: what is in the release", "EmotionTalk：发布数据概览"),
    "read": (
        "Read on {date} from {source} by version {version} of the loader. "
        "{license}: no commercial use, share alike, name the authors.",
        "{date} 由加载器 {version} 版读取，来源：{source}。{license}：不得用于商业目的，须以相同方式共享，并须署名。",
    ),
    "local": ("a local folder", "本地文件夹"),
    "gated": (
        "The audio below is gated at {link}: do not publish this page.",
        "下面的音频为受限访问，须在 {link} 同意条款：请勿公开发布本页面。",
    ),
    "sections": ("Sections", "章节"),
    "go-classes": ("Classes", "类别"),
    "go-length": ("Length", "时长"),
    "go-conditions": ("Agreement of the conditions", "标注条件之间的一致性"),
    "go-annotators": ("Agreement of the annotators", "标注者一致性"),
    "utterances": ("utterances", "条话语"),
    "hours": ("hours", "小时"),
    "hours-paper": ("(the paper: {hours})", "（论文：{hours}）"),
    "dialogues": ("dialogues", "段对话"),
    "speakers": ("speakers", "位说话人"),
    "in-split": ("in {split}", "条（{split}）"),
    "all": ("all", "合计"),
    "unknown": ("unknown", "未知"),
    "comma": (", ", "、"),
    "see-table": ("{chart}; see the table below", "{chart}，见下表"),
    "classes": ("Classes, by split and annotation condition", "类别分布：各划分、各标注条件"),
    "classes-what": (
        "The same utterances were labelled in four annotation conditions. Annotators were given the transcription "
        "(text-only), the audio (audio-only), the video without audio (silent video), or the video with audio "
        "(audio-visual). The four charts have the same axis.",
        "同一批话语在四种标注条件下分别标注。提供给标注者的内容分别为：转写文本（仅文本）、音频（仅音频）、"
        "不含音频的视频（无声视频）、含音频的视频（音视频）。四幅图的纵轴相同。",
    ),
    "labels-of": ("{condition} labels", "{condition}标签"),
    "by-label": ("Utterances by {condition} label", "各{condition}标签的话语数"),
    "share": ("share of the split", "占该划分的比例"),
    "sentiment": ("Sentiment", "情感倾向"),
    "sentiment-what": (
        "The score is the mean of five ratings from −2 to 2; its classes are ≤ −1, < 0, 0, < 1, ≥ 1.",
        "情感倾向分数为五位标注者评分（−2 至 2）的平均值；其类别为 ≤ −1、< 0、0、< 1、≥ 1。",
    ),
    "score": ("Sentiment score", "情感倾向分数"),
    "score-by-split": ("Sentiment score, by split", "各划分的情感倾向分数"),
    "sentiment-classes": ("Classes of sentiment", "情感倾向的类别"),
    "class": ("class", "类别"),
    "by-sentiment": ("Utterances by class of sentiment", "各情感倾向类别的话语数"),
    "length": ("Length of the utterances", "话语的时长"),
    "length-by-split": ("Length, by split", "各划分的时长"),
    "length-axis": ("length of an utterance, seconds", "话语的时长（秒）"),
    "seconds": ("Seconds of audio", "各划分的音频时长（秒）"),
    "mean-length": ("Mean length by audio-visual label", "各音视频标签的平均时长"),
    "mean-seconds": ("mean length, seconds", "平均时长（秒）"),
    "seconds-by-emotion": ("Seconds of audio, by audio-visual label", "各音视频标签的音频时长（秒）"),
    "split": ("split", "划分"),
    "emotion": ("emotion", "情感"),
    "n": ("number", "数量"),
    "mean": ("mean", "平均值"),
    "median": ("median", "中位数"),
    "min": ("minimum", "最小值"),
    "max": ("maximum", "最大值"),
    "sum": ("sum", "总和"),
    "formats": ("Formats of the clips", "音频片段的格式"),
    "formats-what": (
        "As the header of each WAV file says; 16 bit where nothing else is written.",
        "取自每个 WAV 文件的文件头；未另外注明的均为 16 bit。",
    ),
    "formats-reported": (
        "Reported is what a public project, not the authors, counted in the release.",
        "“公开报告”为一个公开项目在发布数据中统计得到的数字，并非作者给出。",
    ),
    "formats-table": ("Clips by format", "各格式的片段数"),
    "format": ("format", "格式"),
    "reported": ("reported", "公开报告"),
    "conditions": ("Do the annotation conditions agree?", "不同标注条件的标签是否一致？"),
    "conditions-what": (
        "All splits. Rows are the labels of the first condition, columns those of the second; the stronger the colour, "
        "the larger the share of its row.",
        "全部划分。行为前一种标注条件的标签，列为后一种标注条件的标签；颜色越浓，占该行的比例越大。",
    ),
    "scale": ("share of the row", "占该行的比例"),
    "pair": (
        "{first} (rows) and {second} (columns): the same for {same} %, Cohen's κ {kappa}",
        "{first}（行）与{second}（列）：{same} % 相同，Cohen's κ {kappa}",
    ),
    "annotators": ("Do the annotators agree?", "标注者之间是否一致？"),
    "annotators-what": (
        "Fleiss' κ of the single votes of your download, over the utterances whose five votes are all there, next to "
        "the paper's.",
        "由所读数据中单个标注者的标注计算的 Fleiss' κ，只计五位标注者的标注齐全的话语；并列出论文中的数值。",
    ),
    "kappa": ("Fleiss' κ", "Fleiss' κ"),
    "condition": ("annotation condition", "标注条件"),
    "download": ("your download", "所读数据"),
    "paper": ("paper", "论文"),
    "speakers-title": ("Speakers and dialogues", "说话人和对话"),
    "shared": (
        "Speakers of both validation and test: {speakers} (marked {mark}). "
        "A model chosen on validation has heard them.",
        "验证集与测试集共同的说话人：{speakers}（以 {mark} 标出）。用验证集选择的模型已听过他们的声音。",
    ),
    "not-shared": (
        "Validation and test share no speaker in your download.",
        "在所读数据中，验证集与测试集没有共同的说话人。",
    ),
    "in-both": ("validation and test", "验证集和测试集"),
    "by-speaker": ("Utterances by speaker", "各说话人的话语数"),
    "speaker": ("speaker", "说话人"),
    "number-of": ("number of utterances", "话语数"),
    "emotions-by-speaker": ("Emotions by speaker, audio-visual label", "各说话人的情感（音视频标签）"),
    "by-dialogue": ("Utterances of a dialogue", "每段对话的话语数"),
    "share-of-dialogues": ("share of the dialogues", "占该划分对话数的比例"),
    "listen": ("Listen", "试听"),
    "listen-what": (
        "Some utterances of each emotion (audio-visual label) and split, over the groups and speakers; 16 kHz, mono.",
        "每个划分、每种情感（音视频标签）的若干条话语，取自不同的组和说话人；16 kHz 单声道。",
    ),
    "choose-emotion": ("Emotion", "情感"),
    "choose-split": ("Split", "划分"),
    "any": ("all", "全部"),
    "shown": ("{shown} of {all} shown", "显示 {shown} 条，共 {all} 条"),
    "clip": ("{split}, sentiment {score}", "{split}，情感倾向 {score}"),
    "audio-of": ("Audio of {id}", "{id} 的音频"),
    "undecodable": ("The audio cannot be decoded.", "音频无法解码。"),
    "labels": ("labels", "标签"),
    "votes": ("votes (audio-visual)", "标注者的标注（音视频）"),
    "captions": ("captions", "描述文本"),
    "caption-speaker": ("speaker", "音色"),
    "caption-style": ("style", "风格"),
    "caption-emotion": ("emotion", "情感"),
    "caption-overall": ("overall", "整体描述"),
}


class Wording:
    """The words of one language: call it with a key of `TEXTS` and the values of its blanks."""

    def __init__(self, language: str) -> None:
        self.tag = LANGUAGES[language]
        self._column = list(LANGUAGES).index(language)

    def __call__(self, key: str, **values: object) -> markupsafe.Markup:
        """Return a text; values are escaped where they are no `Markup`."""
        return markupsafe.escape(TEXTS[key][self._column]).format(**values)

    def name(self, english: str) -> str:
        """Return the name of a split, a class or an annotation condition."""
        return NAMES[english] if self._column else english

    def joined(self, parts: Sequence[str]) -> markupsafe.Markup:
        """Join the parts of a list."""
        return self("comma").join(parts)

    def audio_format(self, name: str) -> str:
        """Return the name of an audio format, as `audit.format_name` gives it."""
        return re.sub("mono|stereo|channels", lambda word: self.name(word[0]), name)
