"""What the zh→en benchmark's own generator writes, made from the archive's members alone: independent of the script."""

import json
import tarfile


def manifest_of(release):
    """The bytes of the manifest, and a dict from file name to the bytes of each sound."""
    lines, sounds = [], {}
    with tarfile.open(release / "Audio.tar") as tar:
        for member in sorted(tar.getmembers(), key=lambda m: m.name):
            name = member.name.split("/")[-1]
            if not member.isfile() or name[:6] not in ("G00003", "G00015"):
                continue
            if name.endswith(".wav"):
                sounds[name] = tar.extractfile(member).read()
            elif name.endswith(".json"):
                note = json.loads(tar.extractfile(member).read().decode("utf-8-sig"))
                lines.append({
                    "dataset_id": "emotiontalk", "sample_id": name[:-5],
                    "src_audio": f"emotiontalk/audio/zh/{name[:-5]}.wav",
                    "src_ref": note["content"], "tgt_ref": None, "src_lang": "zh", "tgt_lang": "en",
                    "benchmark_metadata": {
                        "context": "short", "emotion": note["emotion_result"], "dataset_type": "emotion",
                    },
                })  # fmt: skip
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode(), sounds
