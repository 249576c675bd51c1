"""A competition that is on disk already."""

from pathlib import Path

from stages.base import paths
from stages.base.errors import UserError
from stages.competition.members import is_archive


def local(source: str) -> Path:
    """The folder or archive on disk.

    Raises:
        UserError: there is neither at `source`, or the folder is not the competition's alone.

    """
    path = Path(source)
    if paths.COMPETITION.resolve().is_relative_to(path.resolve()):
        raise UserError(
            f"competition.source: {source} holds {paths.COMPETITION}, which fetch writes; give a "
            "folder that holds the competition's files alone."
        )
    if not path.is_dir() and not (path.is_file() and is_archive(path.name)):
        raise UserError(
            f"competition.source: {source} is neither a folder nor an archive (zip, 7z, tar); "
            "give one of those, or kaggle, or demo."
        )
    return path
