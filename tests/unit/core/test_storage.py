"""A name stands for a whole file or for none."""

import os
from pathlib import Path

import pytest
from django.core.files.base import ContentFile, File
from django.core.files.uploadedfile import TemporaryUploadedFile

from otc.core.storage import WholeFileStorage


@pytest.fixture
def storage(tmp_path):
    return WholeFileStorage(location=tmp_path)


class Broken(File):
    """Gives half of its content, then `error`. What storage has under `name` meanwhile is in `seen`."""

    def __init__(self, storage, name, error):
        super().__init__(None, name=name)
        self.storage, self.error, self.seen = storage, error, []

    def chunks(self, chunk_size=None):
        yield b"ha"
        self.seen.append(read(self.storage, self.name))
        raise self.error


def read(storage, name):
    if not storage.exists(name):
        return None
    with storage.open(name) as file:
        return file.read()


@pytest.mark.parametrize("before", [None, b"the old one"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SystemExit(1)])
def test_a_file_that_is_half_written_has_no_name(storage, tmp_path, before, error):
    if before is not None:
        storage.save("lists/a.csv.gz", ContentFile(before))
    content = Broken(storage, "lists/a.csv.gz", error)
    with pytest.raises(type(error)):
        storage.save("lists/a.csv.gz", content)
    assert content.seen == [before]
    assert read(storage, "lists/a.csv.gz") == before
    assert [path.name for path in (tmp_path / "lists").iterdir()] == ([] if before is None else ["a.csv.gz"])


def test_a_second_file_replaces_the_first_except_for_who_reads_it(storage):
    assert storage.save("lists/a.csv", ContentFile(b"short")) == "lists/a.csv"
    with storage.open("lists/a.csv") as opened:
        assert storage.save("lists/a.csv", ContentFile(b"the whole file")) == "lists/a.csv"
        assert opened.read() == b"short"
    assert read(storage, "lists/a.csv") == b"the whole file"


def test_an_upload_that_django_put_on_disk_is_taken_over(storage, tmp_path):
    upload = TemporaryUploadedFile("a.csv", "text/csv", 5, "utf-8")
    upload.write(b"lines")
    upload.flush()
    upload.seek(0)
    assert storage.save("a.csv", upload) == "a.csv"
    assert read(storage, "a.csv") == b"lines"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    upload.close()


def test_the_content_is_on_disk_before_the_name(storage, monkeypatch):
    done = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (done.append("content"), fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda path, to: (done.append("name"), replace(path, to)))
    storage.save("a.csv", ContentFile(b"lines"))
    assert done == ["content", "name"]
