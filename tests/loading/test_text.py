"""`text`: the marks go, the words stay."""

import re

import pytest
from support import published_labels

from emotiontalk import spoken_text


@pytest.mark.parametrize(
    "transcription, text",
    [
        ("[over/]我[/over]怕", "我怕"),
        ("好[interrupted][laughing][Sobbing][crying][screaming]", "好"),
        ("【over/】我【/over】怕【laughing】", "我怕"),
        ("[over]哦[over]哦", "哦哦"),
        ("护[[/over]发素", "护发素"),
        ("好不[/over/]？", "好不？"),
        ("干嘛[over/呀[/over]？", "干嘛呀？"),
        ("特别[over/蓝，你感觉][/over][interrupted]。", "特别蓝，你感觉。"),
        ("[over/]没问题/over]。", "没问题。"),
        ("我就觉得[over[/over]]挺好的[[/over]over]。", "我就觉得挺好的。"),
        ("[over/]]不行[/over]，", "不行，"),
        ("然后[interrupted]/over]。", "然后。"),
        ("【over/呀[/over】", "呀"),
        ("[over/]over[/over] game over", "over game over"),
        ("[over/game over[/over]", "game over"),
        ("old[over/]school，你知道吗[/over]", "oldschool，你知道吗"),
        ("几号/前面", "几号/前面"),
        ("[OVER/]对[/Over]", "对"),
        ("[笑]好", "笑好"),
        ("", ""),
        (None, None),
    ],
)
def test_marks_go_and_words_stay(transcription, text):
    assert spoken_text(transcription) == text


def test_all_published_transcriptions():
    """Independent of the script's rule: what is left must be the transcription less the letters of the marks."""
    transcriptions = [row["transcription"] for row in published_labels()]
    assert len(transcriptions) == 19_250
    for transcription in transcriptions:
        text = spoken_text(transcription)
        assert not set(text) & set("[]【】")
        words = re.sub(r"over|interrupted|laughing|sobbing|crying|screaming|[\[\]/]", "", transcription, flags=re.I)
        assert text.replace("/", "") == words
        assert spoken_text(transcription.replace("[", "【").replace("]", "】")) == text
