"""resize: the training and test images, shorter side `resize.shorter_side`, in one pack."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import cv2
import torch

from stages.base import command, params, paths, records, unfinished
from stages.base.bar import Bar
from stages.base.cores import resolve_workers
from stages.competition import lookup
from stages.competition.archive import Archive
from stages.images import decoding, packing

Packed = tuple[str, tuple[bytes, int, int] | str]


@command.stage("resize")
def main() -> None:
    """Resize all images once, straight from the archive, by runtime.workers."""
    s = params.load("resize")
    one_thread_an_image()
    archive = Archive(paths.COMPETITION)
    training, test = lookup.nameable(archive, s.competition)
    names = sorted(training | test)
    work = partial(resize, archive, s.resize.shorter_side, s.resize.quality)
    kept = unfinished.keep("resize")
    with packing.Writer(kept) as writer:
        start = writer.images + writer.unreadable
        threads = resolve_workers(s.runtime.workers, most=sys.maxsize)  # decoding needs no lock
        done = in_order(work, names[start:], threads=threads)
        for name, result in Bar("resize", done, total=len(names), initial=start):
            if isinstance(result, str):
                writer.leave_out(name, result)
            else:
                writer.add(name, *result, training=name in training)
    packing.place(kept, paths.PACK)
    kept.place(packing.UNREADABLE, paths.UNREADABLE)
    records.write_metrics(
        "resize",
        {"images": writer.images, "bytes": writer.bytes, "unreadable": writer.unreadable},
    )
    kept.finish()


def one_thread_an_image() -> None:
    """Have torch and OpenCV start no threads: ours work side by side, an image each."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def resize(archive: Archive, shorter_side: int, quality: int, name: str) -> Packed:
    """An image's name, and its JPEG, width and height in the pack, or why it cannot be read.

    Whether that ends the run is `screen`'s to say, which knows what the image is for.
    """
    data = archive.read(name)
    try:
        image = decoding.shrink(decoding.decode(data, shorter_side), shorter_side)
        return name, (decoding.to_jpeg(image, quality), image.shape[1], image.shape[0])
    except decoding.UnreadableError as error:
        return name, str(error)


def in_order(work: Callable[[str], Packed], names: Iterable[str], threads: int) -> Iterator[Packed]:
    """Map over threads, results in order, only a few ahead: memory does not grow with the set.

    Threads suffice: OpenCV and torch decode, resize and encode outside Python's lock.
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
