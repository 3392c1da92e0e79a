"""The bytes that a resolution names, read again when they are asked for.

An idle agent keeps digests and places, no bodies. Only the bytes of a file that was changed within
the last seconds before it was read are held, so that a file under steady change can be pushed too;
the next pass that finds it at rest lets them go.
"""

import os
from collections.abc import ItemsView, Iterator, Mapping

from driftpin.agent.candidate import BlobPlace
from driftpin.agent.reading import Reader, Refusal
from driftpin.agent.roots import RootProblem, open_root
from driftpin.identity import Digest, digest_of


class FileBlobs(Mapping[Digest, bytes]):
    """Blobs by digest; bytes are verified, never those of another state of the file.

    Looking one up raises KeyError if its file has changed since, and `items` leaves it out: then
    the resolution it belongs to is outdated, and the workspace must be resolved again. Both read
    files; asking for keys does not.
    """

    def __init__(self, places: Mapping[Digest, BlobPlace], reader: Reader) -> None:
        """Offer the blobs at these places."""
        self._places = places
        self._reader = reader

    def __getitem__(self, digest: Digest) -> bytes:
        place = self._places[digest]
        content = place.held if place.held is not None else self._read(place)
        if content is None or digest_of(content) != digest:
            raise KeyError(digest)
        return content

    def __contains__(self, digest: object) -> bool:
        return digest in self._places

    def __iter__(self) -> Iterator[Digest]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def items(self) -> ItemsView[Digest, bytes]:
        """Return the blobs whose bytes can still be had, read one by one."""
        return _Available(self)

    def size_bytes(self, digest: Digest) -> int:
        """Return how many bytes a blob has, without reading it; raise KeyError if unknown."""
        return self._places[digest].size_bytes

    def _read(self, place: BlobPlace) -> bytes | None:
        handle = open_root(place.root.path)
        if isinstance(handle, RootProblem):
            return None
        try:
            content = self._reader.read_file(handle, place.path, place.size_bytes)
        finally:
            os.close(handle)
        return None if isinstance(content, Refusal) else content.content


class _Available(ItemsView[Digest, bytes]):
    """The pairs of a mapping of blobs, without those whose file has changed."""

    def __init__(self, blobs: FileBlobs) -> None:
        super().__init__(blobs)
        self._blobs = blobs

    def __iter__(self) -> Iterator[tuple[Digest, bytes]]:
        for digest in self._blobs:
            content = self._blobs.get(digest)
            if content is not None:
                yield digest, content


__all__ = ["FileBlobs"]
