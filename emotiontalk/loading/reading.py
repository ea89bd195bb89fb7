"""The utterances of a group: annotations and media of each, checked against one another."""

from __future__ import annotations

import collections
from collections.abc import Container, Iterable, Iterator
from typing import Any

from ..annotations import COMPARE, Utterance
from ..archives.local import LocalArchive, merged
from ..archives.remote import RemoteArchive
from ..audio import converted
from ..corpus import CONDITIONS, DIALOGUES_OF_GROUPS, EMOTIONS, FOUR, GROUPS, HOMEPAGE, Shard
from ..errors import AudioDecodeError, BadUtteranceError, EmotionTalkError, logger
from ..members import Member, NotFetched
from ..schema import CONFIGS, FIELDS, fields_of
from .options import EmotionTalkConfig

Archives = dict[str, "LocalArchive | RemoteArchive"]
Example = dict[str, Any]


class GroupReader:
    """Reads the utterances of a config, group by group.

    Args:
        config: the options of the loader.
        archives: by name, those that the config reads.
        complete: whether they are the whole release: then the utterances of each group are counted.
        warned: (group, what was warned of), by this and by earlier readers.
    """

    def __init__(
        self, config: EmotionTalkConfig, archives: Archives, complete: bool, warned: set[tuple[str, str]]
    ) -> None:
        self.config, self.spec, self.archives, self.complete = config, CONFIGS[config.name], archives, complete
        self._warned = warned

    def annotation_files(self, group: str) -> dict[str, dict[str, Member]]:
        """Return the annotation files of a group by condition and id. Raises `EmotionTalkError`."""
        return {name: self.archives[CONDITIONS[name]].annotation_files(group) for name in self.spec.conditions}

    def units(self, group: str) -> list[str]:
        """Return what shards of a group are runs of, sorted: its ids, or those of its dialogues, which stay whole."""
        return self._units(set().union(*self.annotation_files(group).values()))

    def count(self, group: str) -> int:
        """Count the utterances (or dialogues) of a group, to shard them. Raises `EmotionTalkError`."""
        if self.complete:
            return (DIALOGUES_OF_GROUPS if self.config.name == "dialogues" else GROUPS)[group]
        return len(self.units(group))

    def _units(self, ids: Iterable[str]) -> list[str]:
        return sorted({uid[:9] for uid in ids} if self.config.name == "dialogues" else ids)

    def utterances(
        self, run: Shard, fields: tuple[str, ...], skip_media: Container[str] = (), quiet: bool = False
    ) -> Iterator[tuple[Utterance, Example]]:
        """Yield (`Utterance`, dict of these fields) for each utterance of neighbouring shards, sorted by id.

        What is missing in an archive is an `EmotionTalkError`, or with `strict=False` a warning that names it.

        Args:
            run: the shards.
            fields: names in `FIELDS`.
            skip_media: ids whose audio or video is not read; from a URL it is not fetched. Reading it is an error.
            quiet: log nothing.
        """
        group, begin, end = run
        files = self.annotation_files(group)
        ids = sorted(set().union(*files.values()))
        if self.complete and (self.config.strict or begin == 0):
            self._check_count(group, len(ids), quiet)
        units = self._units(ids)
        first, after = ("" if n == 0 else units[n] if n < len(units) else "~" for n in (begin, end))
        ids = [uid for uid in ids if first <= uid < after]
        media: Iterable[tuple[str, Member]] = ()
        if self.spec.media and first < after:
            archive, suffix = self.spec.media
            media = self.archives[archive].media(group, suffix, first, after, skip_media)
        seen, skipped, notes = 0, [], collections.defaultdict(list)
        for uid, medium in merged(ids, media):
            seen += 1
            try:
                utterance = self._utterance(uid, files, medium)
                if self.config.label_set == "four" and EMOTIONS[utterance.emotion(self.spec.condition)] not in FOUR:
                    continue
                example = self._example(utterance, fields)
            except BadUtteranceError as error:
                if self.config.strict:
                    raise BadUtteranceError(f"{error} Or pass strict=False to skip such utterances.") from None
                skipped.append(f"{uid} ({error})")
                continue
            for what, where in utterance.notes:
                notes[what].append(where)
            yield utterance, example
        if not quiet:
            self._report(group, seen, skipped, notes)

    def _report(self, group: str, seen: int, skipped: list[str], notes: dict[str, list[str]]) -> None:
        """Log what is left out or odd.

        Args:
            group: that was read.
            seen: how many of its utterances were read.
            skipped: the ids of those that are left out, and why.
            notes: what is odd -> the members.
        """
        if skipped:
            logger.warning(f"{group}: {len(skipped)} of {seen} utterances left out: {'; '.join(skipped)}")
        for what, members in notes.items():
            if (group, what) not in self._warned:  # by an earlier shard of the group
                self._warned.add((group, what))
                of = f"{group}, {len(members)} of {seen} utterances"
                logger.warning(f"{of}: {what}. The first: {members[0]}. `emotiontalk verify` names each.")

    def _example(self, utterance: Utterance, fields: Iterable[str]) -> Example:
        """Make the values of some fields. Raises `BadUtteranceError`."""
        of_config = fields_of(self.config.name, self.config.label_set)
        example = {name: (of_config.get(name) or FIELDS[name]).value(utterance) for name in fields}  # type: ignore[misc]
        clip = example["audio"]["bytes"] if "audio" in example and self.config.converts else None
        if clip is not None and not isinstance(clip.source, NotFetched):
            try:
                example["audio"]["bytes"] = clip.replaced_by(
                    converted(clip.read(), self.config.sampling_rate, self.config.mono)
                )
            except AudioDecodeError as error:
                raise BadUtteranceError(f"{clip} cannot be decoded ({error}). {COMPARE}") from None
        return example

    def _check_count(self, group: str, count: int, quiet: bool) -> None:
        """Compare the utterances of a group with the pinned release's. Raises `EmotionTalkError` if strict."""
        if count == GROUPS.get(group):
            return
        problem = (
            f"{group} has {count:,} utterances in {', '.join(sorted(self.archives))}, and the release has "
            f"{GROUPS.get(group, 0):,}. Compare the archives with the release ({HOMEPAGE})."
        )
        if self.config.strict:
            raise EmotionTalkError(problem)
        if not quiet:
            logger.warning(problem)

    def _utterance(self, uid: str, files: dict[str, dict[str, Member]], medium: Member | None) -> Utterance:
        """Make the utterance of an id. Raises `BadUtteranceError` where an annotation or its media are missing."""
        members = {name: by_id[uid] for name, by_id in files.items() if uid in by_id}
        missing = [f"annotation in {CONDITIONS[name]}" for name in files if name not in members]
        if self.spec.media and medium is None:
            missing.append("{1} in {0}".format(*self.spec.media))
        if missing:
            alone = f"{[*members.values(), medium][0]} has no matching file"
            raise BadUtteranceError(f"{alone}: {uid} has no {' and no '.join(missing)}.")
        return Utterance(uid, self.spec.condition, members, medium)
