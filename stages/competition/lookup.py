"""The image of each id: folder/id + suffix, found among the competition's files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from types import SimpleNamespace

from stages.base.consistency import IN_PATHS
from stages.base.errors import UserError, some
from stages.competition.archive import Archive
from stages.competition.names import plain

Folders = str | Sequence[str]


def images(archive: Archive, folders: Folders) -> dict[str, str]:
    """Every image of a folder or of several, and its path inside the folder it is in."""
    return {
        image: str(PurePosixPath(image).relative_to(folder.strip("/") or "."))
        for folder in each(folders)
        for image in archive.images(folder)
    }


def each(folders: Folders) -> list[str]:
    """A folder or several, as a list."""
    return [folders] if isinstance(folders, str) else list(folders)


def unlabelled(
    archive: Archive, c: SimpleNamespace, labelled: Sequence[str], test: Sequence[str]
) -> Iterator[str]:
    """A sentence about training images that have no label, if there are any."""
    if spare := training(archive, c).keys() - set(labelled) - set(test):
        yield (
            f"{len(spare)} images in {_names(c.train_images)} have no label, the first is "
            f"{min(spare)!r}: they are not trained on."
        )


def training(archive: Archive, c: SimpleNamespace) -> dict[str, str]:
    """The training images that are not in a test folder inside the training folder, by name."""
    found = images(archive, c.train_images)
    apart = set(each(c.test_images)) - set(each(c.train_images))
    inner = tuple(folder.strip("/") + "/" for folder in apart)
    return {image: path for image, path in found.items() if not image.startswith(inner)}


def nameable(archive: Archive, c: SimpleNamespace) -> tuple[set[str], set[str]]:
    """The training and the test images that a row can name: masks beside them, say, are none.

    An id names an image that ends in the suffix; labels that lie in the paths name all.
    """
    train, test = training(archive, c), images(archive, c.test_images)
    return set(train) if c.labels in IN_PATHS else _ending(train, c.suffix), _ending(test, c.suffix)


def _ending(found: Iterable[str], suffix: str) -> set[str]:
    end = "" if suffix == "auto" else plain(suffix)
    return {image for image in found if plain(image).endswith(end)}


def no_image(missing: Sequence[str], count: int, folders: Folders, remedy: str = "") -> UserError:
    """What is said of ids that have no image; `remedy`: what else may be done, if anything."""
    return UserError(
        f"{len(missing)} of {count} ids have no image in {_names(folders)}, the first is "
        f"{missing[0]!r}; check competition.suffix and the folder{remedy}."
    )


def find(ids: Sequence[str], folders: Folders, archive: Archive, suffix: str) -> list[str | None]:
    """The image of each id, or None; with suffix auto, the one image that the id names.

    The image spelled as the id is, or else the one that differs from it by spaces around the name
    or by its Unicode form alone. Where no id names the folders inside, they do not count.

    Raises:
        UserError: an id with several images.

    """
    known = images(archive, folders)
    found = _named(ids, known, suffix)
    if not any(found):
        found = _named(ids, {image: PurePosixPath(image).name for image in known}, suffix)
    for name, several in zip(ids, found, strict=True):
        if len(several) > 1:
            raise UserError(
                f"id {name!r} has several images in {_names(folders)}: {some(several)}; set "
                "competition.suffix, or the folder."
            )
    return [several[0] if several else None for several in found]


def _named(ids: Sequence[str], known: dict[str, str], suffix: str) -> list[list[str]]:
    """The images that each id names, of images and their paths."""
    end = "" if suffix == "auto" else suffix
    exact = _by_id(known, bare=suffix == "auto")
    alike: dict[str, list[str]] = {}
    for name, several in exact.items():
        alike.setdefault(plain(name), []).extend(several)
    return [exact.get(i + end) or alike.get(plain(i) + end, []) for i in ids]


def differences(
    ids: Sequence[str], found: Sequence[str | None], archive: Archive, c: SimpleNamespace
) -> Iterator[str]:
    """What the sample submission asks for and has no image, and the other way round; sentences."""
    if not (where := _names(c.test_images)):
        yield f"No test images: all rows of {c.sample_submission} get the mean of the labels."
        return
    if repeated := [i for i, count in Counter(ids).items() if count > 1]:
        yield (
            f"{len(repeated)} ids are in {c.sample_submission} more than once, the first is "
            f"{repeated[0]!r}: each of their rows gets the same prediction."
        )
    if missing := [i for i, image in zip(ids, found, strict=True) if image is None]:
        yield (
            f"{len(missing)} of {len(found)} ids of {c.sample_submission} have no image in "
            f"{where}, the first is {missing[0]!r}: they get the mean prediction."
        )
    spare = images(archive, c.test_images).keys() - set(found)
    if spare and c.test_images != c.train_images:
        yield (
            f"{len(spare)} images in {where} are not in {c.sample_submission}, the first is "
            f"{min(spare)!r}: they are not predicted."
        )


def _names(folders: Folders) -> str:
    return ", ".join(map(repr, each(folders)))


def _by_id(known: dict[str, str], *, bare: bool) -> dict[str, list[str]]:
    """Images by their path inside the folder, and by that path without its suffix if `bare`."""
    by_id: dict[str, list[str]] = {}
    for image, path in known.items():
        for name in {path, str(PurePosixPath(path).with_suffix("")) if bare else path}:
            by_id.setdefault(name, []).append(image)
    return by_id
