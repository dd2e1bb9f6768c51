"""Where uploaded and computed files lie."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.files.storage import FileSystemStorage
from django.utils.crypto import get_random_string

if TYPE_CHECKING:
    from django.core.files.base import File


class WholeFileStorage(FileSystemStorage):
    """A name stands for a whole file or for none, whenever the process dies or the disk is full; saving under a name that is taken
    replaces its file at once, for who opens it from then on.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_overwrite=True, **options)

    def _save(self, name: str, content: "File[Any]") -> str:
        partial = f"{name}.{get_random_string(12)}.partial"
        try:
            super()._save(partial, content)  # type: ignore[misc]  # the stubs leave it out
            with Path(self.path(partial)).open("rb") as file:
                os.fsync(file.fileno())  # else a power cut may leave the new name with old emptiness
            Path(self.path(partial)).replace(self.path(name))
        except BaseException:
            self.delete(partial)
            raise
        return name
