"""resize: every train and test image, shorter side `resize.shorter_side`, in one pack."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import click
from tqdm import tqdm

from stages import params, paths, records
from stages.competition import lookup
from stages.competition.archive import Archive
from stages.errors import UserError
from stages.images import decoding, pack

Packed = tuple[str, bytes, tuple[int, int]]


@click.command()
def main() -> None:
    """Resize all images once, straight from the archive, on every core."""
    s = params.load("resize")
    archive = Archive(paths.RAW)
    folders = (s.competition.train_images, s.competition.test_images)
    names = sorted({name for folder in folders for name in lookup.images(archive, folder)})
    work = partial(resize, archive, s.resize.shorter_side, s.resize.quality)
    done = in_order(work, names, threads=os.cpu_count() or 1)
    index = pack.write(paths.PACK, tqdm(done, "resize", len(names), unit="image", disable=None))
    records.write_metrics("resize", {"images": len(index), "bytes": int(index["bytes"].sum())})


def resize(archive: Archive, shorter_side: int, quality: int, name: str) -> Packed:
    """One image of the pack: name, JPEG, (width, height).

    Raises:
        UserError: the file is not an image that Pillow reads.

    """
    data = archive.read(name)
    try:
        image = decoding.shrink(decoding.decode(data, shorter_side), shorter_side)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise UserError(f"{name} is not a readable image: {error}.") from None
    return name, decoding.to_jpeg(image, quality), image.size


def in_order(work: Callable[[str], Packed], names: Iterable[str], threads: int) -> Iterator[Packed]:
    """Map over threads, results in order, only a few ahead: memory does not grow with the set.

    Threads suffice: Pillow decodes, resizes and encodes outside Python's lock.
    """
    ahead: deque[Future[Packed]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for name in names:
            ahead.append(pool.submit(work, name))
            if len(ahead) > 4 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


if __name__ == "__main__":
    main()
