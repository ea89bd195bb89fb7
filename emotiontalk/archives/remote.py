"""An archive behind a URL: a group's members are read by ranges, at offsets that are predicted and then checked.

What is checked: the order at every header that is read, the number of utterances of each group, annotation against
media. Where that fails, and for a compressed archive or a server without ranges, the whole archive is read.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import itertools
import os
import tempfile
import zlib
from collections.abc import Container, Iterable
from typing import NamedTuple, cast

from ..annotations import clip_seconds
from ..corpus import GROUPS
from ..disk import writing
from ..errors import NotSortedError, brief, damaged_archive_error, logger, raise_if_full
from ..members import InMemory, Member, NotFetched
from .http import RemoteFile
from .local import LocalArchive, Members
from .offsets import (
    END,
    LAST_ID,
    LONGEST_MEMBER,
    PREDICTION_ERROR,
    FoundHeader,
    GroupAnnotations,
    Key,
    Kind,
    Offsets,
    key_of,
)
from .read_ahead import BlockStream, fetching_threads
from .tar import BLOCK, Tar, padded, parse_header

SMALL_ARCHIVE = 8 << 20  # a smaller archive is fetched whole: cheaper than looking for a group in it
FIRST_BYTES = 16 << 10  # read at a predicted offset
MORE_BYTES = 1 << 20  # of one request for more, at most; it ends where a header was found
GROUP_SLACK = 1 << 17  # reading a group's annotations may begin so many bytes too early: cheaper than another request


class MemberReader:
    """The members of the release in a plain tar, one after the other, from a stream that stands at a header."""

    def __init__(self, file: RemoteFile, stream: BlockStream) -> None:
        self.file, self.stream = file, stream
        self._next: tuple[FoundHeader, str, int] | None = None

    def peek(self) -> tuple[FoundHeader, str, int]:
        """Return (header, name, size) of the next member; at the end of the archive the header has the key `END`."""
        while self._next is None:
            start = self.stream.position
            header = parse_header(self.stream.read(BLOCK), magic=False)
            if header is None:
                return FoundHeader(start, start, start, END), str(END), 0
            key, end = key_of(header), start + BLOCK + padded(header.size)
            if key:
                self._next = FoundHeader(start, start, end, key), header.name, header.size
            else:
                self.stream.skip(padded(header.size))
        return self._next

    def take(self) -> bytes:
        """Read the next member. Raises `EmotionTalkError`."""
        _, name, size = self.peek()
        data, self._next = self.stream.read(padded(size)), None
        if len(data) < size:
            what = f"truncated within {brief(name)}: it ends at byte {self.stream.position:,}."
            raise damaged_archive_error(self.file.archive, self.file.path, what)
        return data[:size]


class Continuation(NamedTuple):
    """Where the last run of clips ended: a reader that stands before the clip of a key, in this process."""

    process: int
    key: Key
    reader: MemberReader


class RemoteArchive:
    """An archive behind a URL, as `LocalArchive`; of a plain and sorted one only the requested groups are read.

    Args:
        name: "Audio", …
        file: the archive.
        offsets_file: where the offsets are cached for the next process, or None.
    """

    def __init__(self, name: str, file: RemoteFile, offsets_file: str | None = None) -> None:
        self.name, self.file = name, file
        head, size = file.head(), file.size or 0
        self._offsets = Offsets(size, head)
        self._groups: dict[str, GroupAnnotations] = {}
        self._unpacked: tuple[str, dict[str, Member]] = ("", {})  # of the group that was requested last
        self._continuation: Continuation | None = None
        self._read_before = False  # whether clips were read: another run probably follows
        self._whole: LocalArchive | None = None  # all of it, once it had to be fetched
        self._offsets_file, self._were_cached = "", False
        if file.size is not None and size <= SMALL_ARCHIVE:
            self._fetch("")
        elif not file.ranged:
            self._fetch("the server does not serve ranges")
        elif Tar.opener(head):
            self._fetch("it is compressed")
        elif not self._offsets.annotations_first:
            self._fetch("its annotations do not come first")
        elif offsets_file:
            self._offsets_file = offsets_file
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError, IndexError):
                with open(offsets_file, encoding="utf-8") as cached:
                    self._offsets.load_json(cached.read())
                self._were_cached = True

    @property
    def groups(self) -> Iterable[str]:
        """The groups of the archive; those of the release as long as nothing says otherwise."""
        return self._whole.groups if self._whole else GROUPS

    @property
    def indexed(self) -> bool:
        """Whether all members are known, as in a `LocalArchive`."""
        return self._whole is not None

    def annotation_files(self, group: str) -> dict[str, Member]:
        """Return the annotation files of a group by id, sorted. Raises `EmotionTalkError`."""
        while self._whole is None:
            try:
                if self._unpacked[0] != group:
                    found = self._annotations(group)
                    source = InMemory(self.name, self.file.path, zlib.decompress(found.packed))
                    bounds = zip(found.ids, found.names, (0, *found.ends), found.ends)
                    self._unpacked = group, {uid: Member(source, name, a, z - a) for uid, name, a, z in bounds}
                return self._unpacked[1]
            except NotSortedError as error:
                self._give_up(error)
        return self._whole.annotation_files(group)

    def media(
        self, group: str, suffix: str, first: str = "", after: str = "~", skip_media: Container[str] = ()
    ) -> Members:
        """As `LocalArchive.media`. Those of `skip_media` that come first are not fetched: reading them is an error."""
        done = set()
        while self._whole is None:
            try:
                ids = [uid for uid in self._annotations(group).ids if first <= uid < after and uid not in done]
                while ids and ids[0] in skip_media:
                    done.add(ids[0])
                    yield ids[0], Member(NotFetched(self.name, self.file.path), f"{ids[0]}.{suffix}", 0, 0)
                    del ids[0]
                for uid, member in self._clips(group, suffix, ids) if ids else ():
                    done.add(uid)
                    yield uid, member
                return
            except NotSortedError as error:
                self._give_up(error)
        for uid, member in self._whole.media(group, suffix, first, after):
            if uid not in done:
                yield uid, member

    def _give_up(self, error: NotSortedError) -> None:
        """Forget the cached offsets, which may be wrong; where there were none, fetch the archive."""
        self._continuation = None
        if self._were_cached:
            self._offsets.forget()
            self._groups, self._were_cached = {}, False
        else:
            self._fetch(str(error))

    def _fetch(self, reason: str) -> None:
        """Fetch the whole archive, to an unnamed temporary file."""
        if reason:
            size = f", {self.file.size:,} bytes" if self.file.size else ""
            logger.warning(
                f"{self.file.path}: {reason}, so single groups cannot be read: fetching all of it{size}, to "
                f"{tempfile.gettempdir()}. Download it once and pass data_dir= to avoid that."
            )
        file = tempfile.TemporaryFile()
        try:
            self.file.save(file)
        except OSError as error:
            raise_if_full(error, self.file.path)
            raise
        self._whole = LocalArchive(self.name, [Tar(self.name, self.file.path, file)])

    def _cache_offsets(self) -> None:
        """Write the offsets to disk for the next process."""
        text = self._offsets.to_json()
        if self._offsets_file:
            with contextlib.suppress(OSError), writing(self._offsets_file) as file:
                file.write(text.encode())

    def _find(self, key: Key, slack: int = 0) -> int:
        """Return `Offsets.start`; look for what is not known. Raises `NotSortedError`."""
        for offsets, most in self._offsets.attempts(key, slack, self._groups.get(key.group)):
            first_header = functools.partial(self._first_header, most=most)
            for header in fetching_threads().map(first_header, offsets):
                if header:
                    self._offsets.add(header)
        return cast(int, self._offsets.start(key, slack))

    def _first_header(self, offset: int, most: int) -> FoundHeader | None:
        """Read the header of the first member of the release at an offset or after it; None if it takes too many bytes.

        A few bytes at first, where a good prediction has it; then as many as come before it.
        """
        size = self._offsets.size
        begin = position = offset // BLOCK * BLOCK
        length = FIRST_BYTES
        while position < min(size, begin + most):
            end, data = min(position + length, begin + padded(most), size), bytearray()
            with contextlib.closing(self.file.chunks(position, end)) as chunks:
                for chunk in chunks:
                    data += chunk
                    whole = len(data) // BLOCK * BLOCK
                    for header in self._offsets.scan(bytes(data[:whole]), position):
                        return header._replace(searched_from=begin)
                    position, data = position + whole, data[whole:]
            if position < end:  # the last block of the file is not whole
                break
            length = min(8 * length, MORE_BYTES)
        if position < size and begin + most < size and most < LONGEST_MEMBER:
            return None
        return FoundHeader(begin, max(begin, position), size, END)  # within the zip of videos, or at the end

    def _annotations(self, group: str) -> GroupAnnotations:
        """Read the annotations of a group, once in a process. Raises `NotSortedError` unless they are one range."""
        if group in self._groups:
            return self._groups[group]
        count, group_begin = GROUPS.get(group, 0), Key(Kind.ANNOTATION, group)
        group_end = group_begin._replace(id=LAST_ID)
        begin = self._find(group_begin, GROUP_SLACK)
        likely = begin + int(1.01 * count * self._offsets.annotation_bytes) + PREDICTION_ERROR
        end = min(self._offsets.bounds(group_end)[1] + BLOCK, likely)
        headers: list[FoundHeader] = []
        names, gaps, files = [], [], []
        in_flight = BlockStream.IN_FLIGHT
        stream = BlockStream(self.file, begin, end, max(1 << 19, (end - begin) // in_flight + 1), in_flight)
        reader, last = MemberReader(self.file, stream), None
        with contextlib.closing(stream):
            while (found := reader.peek())[0].key < group_end:
                header, data = found[0], reader.take()
                if header.key > group_begin:
                    headers.append(header)
                    names.append(found[1])
                    gaps.append(header.start - (last.end if last else header.start))
                    files.append(data)
                elif headers:
                    raise NotSortedError(f"{header.key} comes between the annotations of {group}")
                last = header
        ids = [header.key.id for header in headers]
        if ids != sorted(set(ids)) or len(ids) != count:
            duplicate = next((f"duplicate id {a}" for a, b in zip(ids, ids[1:]) if a == b), None)
            raise NotSortedError(duplicate or f"it has {len(ids)} annotations of {group} in a row, of {count}")
        self._offsets.annotation_bytes = (headers[-1].end - headers[0].start) / count
        for header in (headers[0], headers[-1], found[0]):
            self._offsets.add(header)
        ends = tuple(itertools.accumulate(map(len, files)))
        seconds, packed = tuple(map(clip_seconds, files)), zlib.compress(b"".join(files), 1)
        self._groups[group] = GroupAnnotations(tuple(ids), tuple(names), tuple(gaps), seconds, ends, packed)
        self._cache_offsets()
        return self._groups[group]

    def _clips(self, group: str, suffix: str, ids: list[str]) -> Members:
        """Yield (id, clip) of neighbours in a group. Raises `NotSortedError` unless these come, then the next one."""
        everyone = self._groups[group].ids
        index = everyone.index(ids[0])
        reader, continues = self._reader_at(group, index, len(ids)), False
        try:
            for uid in ids:
                header, name, size = reader.peek()
                if header.key != Key(Kind.MEDIA, group, uid) or not name.lower().endswith(suffix):
                    raise NotSortedError(f"{header.key} comes where the {suffix} of {uid} was expected")
                if uid == ids[0]:
                    self._offsets.add(header)
                    self._cache_offsets()
                data = reader.take()
                yield uid, Member(InMemory(self.name, self.file.path, data), name, 0, size)
            expected = next(iter(everyone[index + len(ids) :]), None)  # None behind the last clip of the group
            header = reader.peek()[0]
            key = header.key
            following = key.id if key.in_group(Kind.MEDIA, group) else None
            if following != expected:
                raise NotSortedError(f"{key} comes after {ids[-1]}")
            if expected:
                self._offsets.add(header)
            if index == 0:
                self._check_first(Key(Kind.MEDIA, group, ids[0]))
            if expected:
                self._continuation, continues = Continuation(os.getpid(), key, reader), True
        finally:
            if not continues:
                reader.stream.close()

    def _reader_at(self, group: str, index: int, count: int) -> MemberReader:
        """Return a reader that stands before a clip and reads ahead to the end of the run; the last one if it can."""
        annotations = self._groups[group]
        key, known = Key(Kind.MEDIA, group, annotations.ids[index]), annotations.seconds[index] is not None
        before, self._continuation = self._continuation, None
        if before and before.process == os.getpid():
            if before.key == key:
                left = self._offsets.media_lengths(annotations)[index:]
                ahead = BlockStream.IN_FLIGHT * BlockStream.BLOCK_BYTES
                before.reader.stream.extend(min(sum(left), sum(left[:count]) + ahead))
                return before.reader
            before.reader.stream.close()
        start = self._find(key)
        lengths = self._offsets.media_lengths(annotations)[index : index + count]
        if self._offsets.sizes and known:  # the next header, too: it must be the expected one
            end, block, in_flight = start + sum(lengths) + 4 * BLOCK, lengths[0] + 2 * BLOCK, 1
        else:
            end, block, in_flight = start + int(0.9 * sum(lengths)), 1 << 18, 1
        if self._read_before:
            block, in_flight = 1 << 20, BlockStream.IN_FLIGHT // 2
        self._read_before = True
        return MemberReader(self.file, BlockStream(self.file, start, end, block, in_flight))

    def _check_first(self, key: Key) -> None:
        """Raise `NotSortedError` if a clip of the group stands before the first one that has an annotation."""
        start = end = self._find(key)
        last: FoundHeader | None = None
        while end == start or (last is None and end > 0 and start - end < LONGEST_MEMBER):
            if any(h.key < key and end <= h.end + (1 << 14) for h in self._offsets.found):
                return
            low = max(0, end - max(1 << 18, start - end))
            last = next(iter(collections.deque(self._offsets.scan(self.file.read(low, end), low), maxlen=1)), None)
            end = low
        if last and last.key >= Key(Kind.MEDIA, key.group):
            raise NotSortedError(f"{last.key} has no annotation")
        if last:
            self._offsets.add(last)
