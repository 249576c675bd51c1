"""Small competitions of every shape, real image files included, and what is to be understood."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from stages.competition.archive import Archive
from stages.competition.lift import lift

DEFAULTS = {
    "task": "multiclass", "metric": "log_loss", "train_images": "train", "test_images": "test",
    "suffix": ".jpg", "labels": "labels.csv", "id_column": "id", "label_columns": ["label"],
    "label_separator": None, "label_pattern": None, "group_column": None,
    "sample_submission": "sample_submission.csv", "positive_class": None,
}  # fmt: skip
FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "tif": "TIFF", "bmp": "BMP", "gif": "GIF"}


@dataclass(frozen=True)
class Layout:
    """One shape: its files, its params, and what must come of them."""

    texts: dict[str, str | bytes]
    """Csv files by name."""
    images: list[str]
    """Names of image files; `name@mode` saves one in that mode of Pillow's."""
    params: dict
    """What differs from DEFAULTS."""
    rows: list[tuple[str, str, str]]
    """id, image, label cell: all of them, in their order."""
    classes: list[str]
    tests: list[tuple[str, str]]
    """id and image of the rows to predict."""
    extra: dict[str, list[str]] = field(default_factory=dict)
    """Further columns of the rows."""

    @property
    def competition(self) -> SimpleNamespace:
        """The `competition` group of its params."""
        return SimpleNamespace(**DEFAULTS | self.params)

    def write(self, folder: Path) -> Path:
        """Write every file under `folder`."""
        for name, text in self.texts.items():
            data = text if isinstance(text, bytes) else text.encode()
            _write(folder / name, data)
        for i, name in enumerate(self.images):
            path, _, mode = name.partition("@")
            _write(folder / path, picture(i, path.rpartition(".")[2].lower(), mode or "RGB"))
        return folder


def picture(i: int, suffix: str, mode: str = "RGB") -> bytes:
    """A small image in a mode of Pillow's, saved in the format of its suffix."""
    pixels = np.random.default_rng(i).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    elif mode != "RGB":
        image = image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, FORMATS[suffix])
    return buffer.getvalue()


def opened(folder: Path) -> Archive:
    """The files of a folder, as `fetch` brings them."""
    target = folder.with_name(f"{folder.name}.zip")
    lift(folder, target)
    return Archive(target)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _sample(header: str, *rows: str) -> str:
    return "\n".join([header, *rows]) + "\n"


WIDE = [f"breed {i:03d}" for i in range(120)]
LAYOUTS = {
    "csv, ids without suffix (dog breeds)": Layout(
        {
            "labels.csv": "id,label\nb,pug\na,boxer\n",
            "sample_submission.csv": _sample("id,boxer,pug", "d,0.5,0.5", "c,0.5,0.5"),
        },
        ["train/a.jpg", "train/b.jpg", "test/c.jpg", "test/d.jpg"],
        {},
        [("b", "train/b.jpg", "pug"), ("a", "train/a.jpg", "boxer")],
        ["boxer", "pug"],
        [("d", "test/d.jpg"), ("c", "test/c.jpg")],
    ),
    "csv, ids with suffix (paddy)": Layout(
        {
            "labels.csv": "image_id,label,variety,age\n1.jpg,hispa,ADT,45\n2.jpg,tungro,ADT,50\n",
            "sample_submission.csv": _sample("image_id,label", "200001.jpg,", "200002.jpg,"),
        },
        ["train/1.jpg", "train/2.jpg", "test/200001.jpg", "test/200002.jpg"],
        {"suffix": "", "id_column": "image_id", "metric": "accuracy"},
        [("1.jpg", "train/1.jpg", "hispa"), ("2.jpg", "train/2.jpg", "tungro")],
        ["hispa", "tungro"],
        [("200001.jpg", "test/200001.jpg"), ("200002.jpg", "test/200002.jpg")],
    ),
    "csv, zero-padded ids kept as text (cactus)": Layout(
        {
            "train.csv": "id,has_cactus\n0004,1\n0010,0\n",
            "sample_submission.csv": _sample("id,has_cactus", "000,0.5", "001,0.5"),
        },
        ["train/0004.jpg", "train/0010.jpg", "test/000.jpg", "test/001.jpg"],
        {"labels": "train.csv", "label_columns": ["has_cactus"], "positive_class": "1",
         "metric": "auc"},
        [("0004", "train/0004.jpg", "1"), ("0010", "train/0010.jpg", "0")],
        ["0", "1"],
        [("000", "test/000.jpg"), ("001", "test/001.jpg")],
    ),
    "one-hot columns, train and test in one folder (plant pathology 2020)": Layout(
        {
            "train.csv": "image_id,healthy,rust,scab\nTrain_0,0,1,0\nTrain_1,1,0,0\nTrain_2,0,0,1",
            "sample_submission.csv": _sample(
                "image_id,healthy,rust,scab", "Test_0,0.3,0.3,0.4", "Test_1,0.3,0.3,0.4"
            ),
        },
        ["images/Train_0.jpg", "images/Train_1.jpg", "images/Train_2.jpg", "images/Test_0.jpg",
         "images/Test_1.jpg"],
        {"labels": "train.csv", "id_column": "image_id", "train_images": "images",
         "test_images": "images", "label_columns": ["healthy", "rust", "scab"]},
        [("Train_0", "images/Train_0.jpg", "rust"), ("Train_1", "images/Train_1.jpg", "healthy"),
         ("Train_2", "images/Train_2.jpg", "scab")],
        ["healthy", "rust", "scab"],
        [("Test_0", "images/Test_0.jpg"), ("Test_1", "images/Test_1.jpg")],
    ),
    "binary columns and a group (catheters)": Layout(
        {
            "train.csv": "uid,ETT,NGT,CVC,PatientID\nu1,0,1,1,p\nu2,0,0,0,q\nu3,1,0,0,p\n",
            "sample_submission.csv": _sample("uid,ETT,NGT,CVC", "t1,0,0,0", "t2,0,0,0"),
        },
        ["train/u1.jpg", "train/u2.jpg", "train/u3.jpg", "test/t1.jpg", "test/t2.jpg"],
        {"task": "multilabel", "metric": "auc", "labels": "train.csv", "id_column": "uid",
         "label_columns": ["ETT", "NGT", "CVC"], "group_column": "PatientID"},
        [("u1", "train/u1.jpg", "NGT\tCVC"), ("u2", "train/u2.jpg", ""),
         ("u3", "train/u3.jpg", "ETT")],
        ["ETT", "NGT", "CVC"],
        [("t1", "test/t1.jpg"), ("t2", "test/t2.jpg")],
        {"group": ["p", "q", "p"]},
    ),
    "folders inside that the ids do not name (drivers, landmarks)": Layout(
        {
            "drivers.csv": "subject,classname,img\np2,c0,1.jpg\np2,c1,2.jpg\np1,c0,3.jpg\n",
            "sample_submission.csv": _sample("img,c0,c1", "5.jpg,0.5,0.5", "4.jpg,0.5,0.5"),
        },
        ["imgs/train/c0/1.jpg", "imgs/train/c1/2.jpg", "imgs/train/c0/3.jpg", "imgs/test/a/4.jpg",
         "imgs/test/a/b/5.jpg"],
        {"labels": "drivers.csv", "id_column": "img", "label_columns": ["classname"],
         "group_column": "subject", "train_images": "imgs/train", "test_images": "imgs/test",
         "suffix": ""},
        [("1.jpg", "imgs/train/c0/1.jpg", "c0"), ("2.jpg", "imgs/train/c1/2.jpg", "c1"),
         ("3.jpg", "imgs/train/c0/3.jpg", "c0")],
        ["c0", "c1"],
        [("5.jpg", "imgs/test/a/b/5.jpg"), ("4.jpg", "imgs/test/a/4.jpg")],
        {"group": ["p2", "p2", "p1"]},
    ),
    "space-separated tags (planet)": Layout(
        {
            "train_v2.csv": "image_name,tags\ntrain_0,haze primary\ntrain_1,agriculture primary  "
                            "water\ntrain_2,cloudy\n",
            "sample_v2.csv": _sample("image_name,tags", "test_0,primary clear", "file_1,primary"),
        },
        ["train-jpg/train_0.jpg", "train-jpg/train_1.jpg", "train-jpg/train_2.jpg",
         "test-jpg/test_0.jpg", "test-jpg-additional/file_1.jpg"],
        {"task": "multilabel", "metric": "f2", "labels": "train_v2.csv", "id_column": "image_name",
         "label_columns": ["tags"], "label_separator": " ", "train_images": "train-jpg",
         "test_images": ["test-jpg", "test-jpg-additional"],
         "sample_submission": "sample_v2.csv"},
        [("train_0", "train-jpg/train_0.jpg", "haze\tprimary"),
         ("train_1", "train-jpg/train_1.jpg", "agriculture\tprimary\twater"),
         ("train_2", "train-jpg/train_2.jpg", "cloudy")],
        ["agriculture", "cloudy", "haze", "primary", "water"],
        [("test_0", "test-jpg/test_0.jpg"), ("file_1", "test-jpg-additional/file_1.jpg")],
    ),
    "a folder a class, file names repeat (plant seedlings)": Layout(
        {"sample_submission.csv": _sample("file,species", "9.png,Sugar beet", "8.png,Sugar beet")},
        ["train/Black-grass/1.png", "train/Black-grass/2.png", "train/Sugar beet/1.png",
         "test/8.png", "test/9.png"],
        {"labels": "folders", "id_column": None, "label_columns": [], "suffix": "",
         "metric": "f1_micro"},
        [("Black-grass/1.png", "train/Black-grass/1.png", "Black-grass"),
         ("Black-grass/2.png", "train/Black-grass/2.png", "Black-grass"),
         ("Sugar beet/1.png", "train/Sugar beet/1.png", "Sugar beet")],
        ["Black-grass", "Sugar beet"],
        [("9.png", "test/9.png"), ("8.png", "test/8.png")],
    ),
    "nested folders, the label by pattern (steganalysis)": Layout(
        {"sample_submission.csv": _sample("Id,Label", "0001.jpg,0.5", "0002.jpg,0.5")},
        ["Cover/0001.jpg", "JMiPOD/q75/0001.jpg", "Test/0001.jpg", "Test/0002.jpg"],
        {"labels": "filenames", "label_pattern": r"^(\w+)/", "id_column": None, "suffix": "",
         "label_columns": [], "train_images": ".", "test_images": "Test", "metric": "auc",
         "positive_class": "JMiPOD"},
        [("Cover/0001.jpg", "Cover/0001.jpg", "Cover"),
         ("JMiPOD/q75/0001.jpg", "JMiPOD/q75/0001.jpg", "JMiPOD")],
        ["Cover", "JMiPOD"],
        [("0001.jpg", "Test/0001.jpg"), ("0002.jpg", "Test/0002.jpg")],
    ),
    "label in the file name, test ids unpadded (dogs and cats)": Layout(
        {"sample_submission.csv": _sample("id,label", "1,0.5", "2,0.5", "10,0.5")},
        ["train/cat.0.jpg", "train/cat.1.jpg", "train/dog.0.jpg", "test/1.jpg", "test/2.jpg",
         "test/10.jpg"],
        {"labels": "filenames", "label_pattern": r"^(cat|dog)\.", "id_column": None,
         "label_columns": [], "positive_class": "dog"},
        [("cat.0.jpg", "train/cat.0.jpg", "cat"), ("cat.1.jpg", "train/cat.1.jpg", "cat"),
         ("dog.0.jpg", "train/dog.0.jpg", "dog")],
        ["cat", "dog"],
        [("1", "test/1.jpg"), ("2", "test/2.jpg"), ("10", "test/10.jpg")],
    ),
    "regression, BOM, CRLF, a space after the comma (pawpularity)": Layout(
        {
            "train.csv": b"\xef\xbb\xbfId, Pawpularity\r\nx,63\r\ny,42.5\r\nz,7\r\n",
            "sample_submission.csv": b"Id, Pawpularity\r\nt,65.7\r\nu,65.7\r\n",
        },
        ["train/x.jpg", "train/y.jpg", "train/z.jpg", "test/t.jpg", "test/u.jpg"],
        {"task": "regression", "metric": "rmse", "labels": "train.csv", "id_column": "Id",
         "label_columns": ["Pawpularity"]},
        [("x", "train/x.jpg", "63"), ("y", "train/y.jpg", "42.5"), ("z", "train/z.jpg", "7")],
        ["Pawpularity"],
        [("t", "test/t.jpg"), ("u", "test/u.jpg")],
    ),
    "quoted commas in names and labels": Layout(
        {
            "labels.csv": 'id,label\n"a, first","Setter, Irish"\n"b ""two""",Pug\n',
            "sample_submission.csv": _sample('id,Pug,"Setter, Irish"', '"c, d",0.5,0.5'),
        },
        ["train/a, first.jpg", 'train/b "two".jpg', "test/c, d.jpg"],
        {},
        [("a, first", "train/a, first.jpg", "Setter, Irish"),
         ('b "two"', 'train/b "two".jpg', "Pug")],
        ["Pug", "Setter, Irish"],
        [("c, d", "test/c, d.jpg")],
    ),
    "every pixel format, suffixes in capitals": Layout(
        {
            "labels.csv": "id,label\ngrey,a\ndeep,b\npalette,a\nclear,b\nprint,a\ntiff,b\n",
            "sample_submission.csv": _sample("id,a,b", "UPPER,0.5,0.5", "tiff,0.5,0.5"),
        },
        ["train/grey.jpg@L", "train/deep.png@I;16", "train/palette.png@P", "train/clear.png@RGBA",
         "train/print.jpg@CMYK", "train/tiff.tif", "test/UPPER.JPG", "test/tiff.TIF@CMYK"],
        {"suffix": "auto"},
        [("grey", "train/grey.jpg", "a"), ("deep", "train/deep.png", "b"),
         ("palette", "train/palette.png", "a"), ("clear", "train/clear.png", "b"),
         ("print", "train/print.jpg", "a"), ("tiff", "train/tiff.tif", "b")],
        ["a", "b"],
        [("UPPER", "test/UPPER.JPG"), ("tiff", "test/tiff.TIF")],
    ),
    "a ranking of the best five (whales)": Layout(
        {
            "train.csv": "Image,Id\n1.jpg,w_1\n2.jpg,new_whale\n3.jpg,w_2\n4.jpg,w_3\n5.jpg,w_4\n"
                         "6.jpg,w_5\n",
            "sample_submission.csv": _sample(
                "Image,Id", "t.jpg,new_whale w_1 w_2 w_3 w_4", "u.jpg,new_whale w_1 w_2 w_3 w_4"
            ),
        },
        [*[f"train/{i}.jpg" for i in range(1, 7)], "test/t.jpg", "test/u.jpg"],
        {"labels": "train.csv", "id_column": "Image", "label_columns": ["Id"], "suffix": "",
         "metric": "map@5"},
        [(f"{i}.jpg", f"train/{i}.jpg", c) for i, c in
         enumerate(["w_1", "new_whale", "w_2", "w_3", "w_4", "w_5"], 1)],
        ["new_whale", "w_1", "w_2", "w_3", "w_4", "w_5"],
        [("t.jpg", "test/t.jpg"), ("u.jpg", "test/u.jpg")],
    ),
    "ratings scored by kappa (blindness)": Layout(
        {
            "train.csv": "id_code,diagnosis\nx,2\ny,10\nz,0\n",
            "sample_submission.csv": _sample("id_code,diagnosis", "t,0", "u,0", "v,0"),
        },
        ["train/x.png", "train/y.png", "train/z.png", "test/t.png", "test/u.png", "test/v.png"],
        {"task": "regression", "metric": "qwk", "labels": "train.csv", "id_column": "id_code",
         "label_columns": ["diagnosis"], "suffix": ".png"},
        [("x", "train/x.png", "2"), ("y", "train/y.png", "10"), ("z", "train/z.png", "0")],
        ["diagnosis"],
        [("t", "test/t.png"), ("u", "test/u.png"), ("v", "test/v.png")],
    ),
    "whole numbers as classes, hard answers (cassava)": Layout(
        {
            "train.csv": "image_id,label\n1.jpg,3\n2.jpg,10\n3.jpg,2\n",
            "sample_submission.csv": _sample("image_id,label", "t.jpg,4", "u.jpg,4"),
        },
        ["train/1.jpg", "train/2.jpg", "train/3.jpg", "test/t.jpg", "test/u.jpg"],
        {"labels": "train.csv", "id_column": "image_id", "suffix": "", "metric": "accuracy"},
        [("1.jpg", "train/1.jpg", "3"), ("2.jpg", "train/2.jpg", "10"),
         ("3.jpg", "train/3.jpg", "2")],
        ["2", "3", "10"],
        [("t.jpg", "test/t.jpg"), ("u.jpg", "test/u.jpg")],
    ),
    "a hundred and twenty columns, in the sample's order": Layout(
        {
            "labels.csv": "id,label\n" + "".join(f"{i},{name}\n" for i, name in enumerate(WIDE)),
            "sample_submission.csv": _sample(
                "id," + ",".join(reversed(WIDE)), *[f"t{i}" + ",0.008333" * 120 for i in range(8)]
            ),
        },
        [*[f"train/{i}.jpg" for i in range(120)], *[f"test/t{i}.jpg" for i in range(8)]],
        {},
        [(str(i), f"train/{i}.jpg", name) for i, name in enumerate(WIDE)],
        WIDE,
        [(f"t{i}", f"test/t{i}.jpg") for i in range(8)],
    ),
    "several numbers an image (key points)": Layout(
        {
            "train.csv": "id,left,right\na,1.5,-2\nb,0,4\n",
            "sample_submission.csv": _sample("id,right,left", "t,0,0", "u,0,0"),
        },
        ["train/a.jpg", "train/b.jpg", "test/t.jpg", "test/u.jpg"],
        {"task": "regression", "metric": "mae", "labels": "train.csv",
         "label_columns": ["left", "right"]},
        [("a", "train/a.jpg", "1.5\t-2"), ("b", "train/b.jpg", "0\t4")],
        ["left", "right"],
        [("t", "test/t.jpg"), ("u", "test/u.jpg")],
    ),
}  # fmt: skip
