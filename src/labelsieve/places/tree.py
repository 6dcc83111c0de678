"""A folder and everything below it, at a local path or an address."""

from __future__ import annotations

from collections import defaultdict

from labelsieve.core.errors import UserError, first_line
from labelsieve.places import paths
from labelsieve.places.many_files import Listing
from labelsieve.places.paths import Entry


class Tree:
    """The folders and files below a folder. A local folder is listed when it is asked for; below an address one listing
    answers for all folders.

    Attributes:
        root: the folder.
        listing: what was listed below an address, to see later what has been replaced; None for a local folder.
    """

    def __init__(self, root: str):
        self.root = root
        self.listing: Listing | None = None
        self._entries: dict[str, list[Entry]] | None = None
        if not paths.is_remote(root):
            return
        try:
            files = paths.files_below(root)
        except OSError as error:
            raise UserError(f"{root} cannot be listed: {first_line(error)}.") from error
        self.listing = Listing.of(root, files)
        self._entries = defaultdict(list)
        known = {""}
        for file in files:
            folder, _, name = file.name.rpartition("/")
            self._entries[folder].append(Entry(name, False, True, file.size))
            while folder not in known:
                known.add(folder)
                folder, _, name = folder.rpartition("/")
                self._entries[folder].append(Entry(name, True, False))

    def entries(self, below: str = "") -> list[Entry]:
        """What the folder `below` (a path below the root, with "/") holds, as `paths.entries`.

        Raises:
            UserError: it cannot be listed.
        """
        if self._entries is None:
            return paths.entries(paths.join(self.root, below) if below else self.root)
        return paths.visible(self._entries.get(below, []))
