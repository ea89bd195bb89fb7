"""An archive behind a URL, of which only the groups that are read are fetched: by its index, or found by a search.

What is checked: every header against the index, the order of all headers, the number of utterances of each group,
annotation against media. Where that fails, and for a compressed archive or a server without ranges, the whole archive
is downloaded.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import zlib
from collections.abc import Callable, Container, Iterable, Sequence
from typing import NamedTuple

from ..annotations import clip_seconds
from ..corpus import GROUPS
from ..errors import NotSortedError, brief, damaged_archive_error, logger, raise_if_full
from ..members import InMemory, Member, NotFetched
from .headers import END, FoundHeader, Key, Kind, key_of, scan
from .http import RemoteFile
from .index import SHIPPED, Index, index_file, load_index, save_index
from .local import LocalArchive, Members
from .read_ahead import BlockStream
from .search import Search
from .tar import BLOCK, Tar, padded, parse_header

SMALL_ARCHIVE = 8 << 20  # a smaller archive is fetched whole: cheaper than looking for a group in it
FIRST_BYTES = 16 << 10  # read where a header is expected
MORE_BYTES = 1 << 19  # of one request for more, at most
LONGEST_MEMBER = 32 << 20  # no clip is longer: 30 s of audio are 5 MB
GROUP_SLACK = 1 << 17  # reading a group's annotations may begin so many bytes too early: cheaper than another request


class MemberReader:
    """The members of the release in a plain tar, one after the other, from a stream that stands at a header."""

    def __init__(self, file: RemoteFile, stream: BlockStream) -> None:
        self.file, self.stream, self.process = file, stream, os.getpid()
        self._next: tuple[FoundHeader, str, int] | None = None

    def peek(self) -> tuple[FoundHeader, str, int]:
        """Return (header, name, size) of the next member; at the end of the archive the header has the key `END`."""
        while self._next is None:
            start = self.stream.position
            header = parse_header(self.stream.read(BLOCK), magic=False)
            if header is None:
                return FoundHeader(END, start, start, start), str(END), 0
            key, end = key_of(header), start + BLOCK + padded(header.size)
            if key:
                self._next = FoundHeader(key, start, start, end), header.name, header.size
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


class GroupAnnotations(NamedTuple):
    """The annotation files of a group, sorted by id."""

    ids: tuple[str, ...]
    names: tuple[str, ...]  # of the members
    ends: tuple[int, ...]  # where each file ends in all their bytes
    packed: bytes  # all their bytes, compressed

    def members(self, source: RemoteFile) -> dict[str, Member]:
        """Unpack them, by id."""
        data = InMemory(source.archive, source.path, zlib.decompress(self.packed))
        bounds = zip(self.ids, self.names, (0, *self.ends), self.ends)
        return {uid: Member(data, name, begin, end - begin) for uid, name, begin, end in bounds}


class RemoteArchive:
    """An archive behind a URL, as `LocalArchive`; of a plain and sorted one only the requested groups are read.

    Args:
        name: "Audio", …
        file: the archive.
        folder: where indexes are cached.
        download: downloads the archive where that is needed, and opens it.
    """

    def __init__(self, name: str, file: RemoteFile, folder: str, download: Callable[[], LocalArchive]) -> None:
        self.name, self.file, self._download = name, file, download
        self._groups: dict[str, GroupAnnotations] = {}
        self._unpacked: tuple[str, dict[str, Member]] = ("", {})  # of the group that was requested last
        self._ends: dict[str, dict[int, tuple[int, int]]] = {}  # group -> number -> where a clip begins and ends
        self._reader: MemberReader | None = None  # where the last run of clips ended
        self._read_before = False  # whether clips were read: another run probably follows
        self._whole: LocalArchive | None = None  # all of it, once it had to be fetched
        head = file.head()
        first = next(scan(head, 0), None)
        if file.size <= SMALL_ARCHIVE:
            self._whole = self._fetched()
        elif not file.ranged:
            self._read_whole("the server does not serve ranges")
        elif Tar.opener(head):
            self._read_whole("it is compressed")
        elif first and first.key.kind == Kind.MEDIA:
            self._read_whole("its annotations do not come first")
        else:
            index_name = index_file(name, file.size, head)
            self._index_path = os.path.join(folder, index_name)
            stored = load_index(self._index_path) or load_index(os.path.join(SHIPPED, index_name))
            self._is_stored, self._index = stored is not None, stored or Index(file.size)
            self._search = self._new_search()

    def _new_search(self) -> Search:
        """Return a search that knows what the index says, and the mean length of the annotations in the head."""
        search, first = Search(self.file.size), list(scan(self.file.head(), 0))
        if first:
            search.annotation_bytes = first[-1].end / len(first)
        with contextlib.suppress(NotSortedError):
            for header in self._index.headers:
                search.add(header)
        return search

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
                    self._unpacked = group, self._annotations(group).members(self.file)
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
        """Drop the index, which may be wrong; where there was none, download the archive."""
        self._reader = None
        if not self._is_stored:
            self._read_whole(str(error))
            return
        logger.warning(
            f"{self.file.path}: {error}. Its index, which says otherwise, is dropped; members are looked for."
        )
        self._is_stored, self._index, self._groups, self._ends = False, Index(self.file.size), {}, {}
        self._search = self._new_search()
        with contextlib.suppress(OSError):
            os.remove(self._index_path)

    def _read_whole(self, reason: str) -> None:
        logger.warning(
            f"{self.file.path}: {reason}, so single groups cannot be read: fetching all of it, {self.file.size:,} "
            "bytes, to the cache."
        )
        self._whole = self._download()

    def _fetched(self) -> LocalArchive:
        """Fetch the whole archive, to an unnamed temporary file."""
        file = tempfile.TemporaryFile()
        try:
            self.file.save(file)
        except OSError as error:
            raise_if_full(error, self.file.path)
            raise
        return LocalArchive(self.name, [Tar(self.name, self.file.path, file)])

    def _save_index(self) -> None:
        """Cache what is known for the next process, with what others have found meanwhile."""
        both, other = Index(self.file.size), load_index(self._index_path)
        both.runs = {**(other.runs if other else {}), **self._index.runs}
        both.headers = [header for header in self._search.found if header.key[:2] not in both.runs]
        with contextlib.suppress(OSError):
            save_index(both, self._index_path)

    def _first_header(self, offset: int) -> FoundHeader:
        """Read the header of the first member of the release at an offset or after it."""
        size, position, length = self.file.size, offset, FIRST_BYTES
        while position < min(size, offset + LONGEST_MEMBER):
            data = bytes(self.file.get_range(position, min(position + length, size)))
            for header in scan(data, position):
                return header._replace(searched_from=offset)
            position += max(BLOCK, len(data) // BLOCK * BLOCK)
            length = min(8 * length, MORE_BYTES)
        return FoundHeader(END, offset, max(offset, min(position, size)), size)  # the end, or the zip of videos

    def _annotations(self, group: str) -> GroupAnnotations:
        """Read the annotations of a group, once in a process. Raises `NotSortedError` unless they are one range."""
        if group in self._groups:
            return self._groups[group]
        count, key = GROUPS.get(group, 0), Key(Kind.ANNOTATION, group)
        run = self._index.runs.get((Kind.ANNOTATION, group))
        if run:
            begin, end = run[0], run[-1] + BLOCK
        else:
            begin = self._search.find(key, GROUP_SLACK, self._first_header)
            end = min(begin + int(1.01 * count * self._search.annotation_bytes) + FIRST_BYTES, self.file.size)
        stream = BlockStream(self.file, begin, end, max(1 << 19, (end - begin) // 2 + 1), in_flight=2)
        reader, headers, names, files, last_end = MemberReader(self.file, stream), list[FoundHeader](), [], [], begin
        with contextlib.closing(stream):
            while (found := reader.peek())[0].key < Key(Kind.ANNOTATION, group, "~"):
                header, data = found[0], reader.take()
                if header.key > key:
                    headers.append(header)
                    names.append(found[1])
                    files.append(data)
                elif headers:
                    raise NotSortedError(f"{header.key} comes between the annotations of {group}")
                else:
                    last_end = header.end
        ids = [header.key.id for header in headers]
        if ids != sorted(set(ids)) or len(ids) != count:
            duplicate = next((f"duplicate id {a}" for a, b in zip(ids, ids[1:]) if a == b), None)
            raise NotSortedError(duplicate or f"it has {len(ids)} annotations of {group} in a row, of {count}")
        ends = [header.end for header in headers]
        if run and ends != run[1:]:
            raise NotSortedError(f"the annotations of {group} are elsewhere")
        for header in (headers[0], headers[-1], found[0]):
            self._search.add(header)
        self._index.add(Kind.ANNOTATION, group, [last_end if run or last_end > begin else headers[0].start, *ends])
        self._search.annotation_bytes = (headers[-1].end - headers[0].start) / count
        self._search.learn_lengths(group, ids, map(clip_seconds, files))
        packed = zlib.compress(b"".join(files), 1)
        ends_of_files = tuple(itertools.accumulate(map(len, files)))
        self._groups[group] = GroupAnnotations(tuple(ids), tuple(names), ends_of_files, packed)
        if not run:
            self._save_index()
        return self._groups[group]

    def _clips(self, group: str, suffix: str, ids: list[str]) -> Members:
        """Yield (id, clip) of neighbours in a group. Raises `NotSortedError` unless these come, then the next one."""
        everyone, run = self._groups[group].ids, self._index.runs.get((Kind.MEDIA, group))
        begin, read = everyone.index(ids[0]), self._ends.setdefault(group, {})
        reader, continues = self._reader_at(group, begin, len(ids), run), False
        try:
            for number, uid in enumerate(ids, begin):
                header, name, size = reader.peek()
                if header.key != Key(Kind.MEDIA, group, uid) or not name.lower().endswith(suffix):
                    raise NotSortedError(f"{header.key} comes where the {suffix} of {uid} was expected")
                if run and header.end != run[number + 1]:
                    raise NotSortedError(f"{uid} has another size")
                if number == begin and not run:
                    self._search.add(header)
                    self._save_index()
                read[number] = header.start, header.end
                yield uid, Member(InMemory(self.name, self.file.path, reader.take()), name, 0, size)
            continues = self._ends_well(reader, group, everyone[begin + len(ids) : begin + len(ids) + 1], ids[-1])
            if begin == 0:
                self._check_first(Key(Kind.MEDIA, group), run[0] if run else read[0][0])
            if not run:
                if len(read) == len(everyone):
                    self._index.add(Kind.MEDIA, group, [read[0][0], *sorted(end for _, end in read.values())])
                self._save_index()
        finally:
            if continues:
                self._reader = reader
            else:
                reader.stream.close()

    def _ends_well(self, reader: MemberReader, group: str, expected: Sequence[str], last: str) -> bool:
        """Whether another clip of the group follows. Raises `NotSortedError` unless the expected one does.

        Args:
            reader: stands behind the clips that were read.
            group: that they are of.
            expected: the id of the next clip of the group, () behind the last one.
            last: the id of the last clip that was read.
        """
        header = reader.peek()[0]
        following = [header.key.id] if header.key[:2] == (Kind.MEDIA, group) else []
        if following != list(expected):
            raise NotSortedError(f"{header.key} comes after {last}")
        if expected:
            self._search.add(header)
        return bool(expected)

    def _reader_at(self, group: str, number: int, count: int, run: list[int] | None) -> MemberReader:
        """Return a reader that stands before a clip and reads ahead to the end of the run; the last one if it can.

        run: by the index, where each clip of the group begins and the last one ends.
        """
        key, before, self._reader = Key(Kind.MEDIA, group, self._groups[group].ids[number]), self._reader, None
        ends = run or self._search.expected_ends(group)
        length, left = ends[number + count] - ends[number], ends[-1] - ends[number]
        if before and before.process == os.getpid():
            if before.peek()[0].key == key:
                before.stream.extend(min(left, length + BlockStream.IN_FLIGHT * BlockStream.BLOCK_BYTES))
                return before
            before.stream.close()
        start = run[number] if run else self._search.find(key, 0, self._first_header)
        block, in_flight = ends[number + 1] - ends[number] + 2 * BLOCK, 1
        if self._read_before:
            block, in_flight = 1 << 20, BlockStream.IN_FLIGHT // 2
        self._read_before = True
        return MemberReader(self.file, BlockStream(self.file, start, start + length + 4 * BLOCK, block, in_flight))

    def _check_first(self, group: Key, start: int) -> None:
        """Raise `NotSortedError` if a clip of a group stands before the first one that has an annotation.

        Args:
            group: the key of its beginning.
            start: where that first clip begins, or the folders before it.
        """
        ends, low = [run[-1] for run in self._index.runs.values()], start
        if start in (*ends, self._search.bounds(group)[0].end):
            return
        while low > max(0, start - LONGEST_MEMBER):
            low = max(0, low - max(1 << 18, start - low)) // BLOCK * BLOCK
            before = list(scan(bytes(self.file.get_range(low, start)), low))
            if before and before[-1].key >= group:
                raise NotSortedError(f"{before[-1].key} has no annotation")
            if before:
                self._search.add(before[-1])
                return
