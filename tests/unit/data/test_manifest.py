from pathlib import Path

import numpy as np
import pytest

from sfsc.data.manifest import COLUMNS, JUNK, Manifest, Row
from sfsc.errors import DataError

DIGEST = "0" * 64
HEADER = ",".join(COLUMNS)
NUMBER = "must be an integer from {} to 2^63 - 1, in the digits 0 to 9. Found `{}`."
GOOD = f"a.png,0,0,train,{DIGEST}"


def test_a_saved_manifest_loads_as_it_was(tmp_path: Path):
    """Saving and loading keeps every column, order and type."""
    rows = [
        Row("b, c.png", 3, 1, "query", DIGEST),
        Row("ä.png", JUNK, 0, "gallery", "f" * 64),
        Row("a.png", 0, 2, "train", DIGEST),
    ]
    Manifest.from_rows(rows).save(tmp_path / "manifest.csv")
    manifest = Manifest.load(tmp_path / "manifest.csv")
    assert manifest.path.tolist() == ["b, c.png", "ä.png", "a.png"]
    assert manifest.identity.tolist() == [3, JUNK, 0]
    assert manifest.camera.tolist() == [1, 0, 2]
    assert manifest.split.tolist() == ["query", "gallery", "train"]
    assert manifest.digest.tolist() == [DIGEST, "f" * 64, DIGEST]
    assert manifest.identity.dtype == manifest.camera.dtype == np.int64


def test_rows_and_identities_of_a_split():
    """Rows are ascending indices; identities are sorted, distinct and without junk."""
    splits = ("gallery", "train", "gallery", "gallery")
    identities = (5, 1, 2, JUNK)
    manifest = Manifest.from_rows(
        Row(f"{n}", identity, 0, split, DIGEST)
        for n, (identity, split) in enumerate(zip(identities, splits, strict=True))
    )
    assert manifest.rows("gallery").tolist() == [0, 2, 3]
    assert manifest.rows("query").tolist() == []
    assert manifest.identities("gallery").tolist() == [2, 5]
    assert len(manifest) == 4


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", f"{{path}} must begin with the columns {HEADER}. Found ``."),
        (
            "path,identity\na,0\n",
            f"{{path}} must begin with the columns {HEADER}. Found `path,identity`.",
        ),
        (
            f"{HEADER}\n",
            "{path} must name at least one image. Found none. Prepare the data set again.",
        ),
        (f"{HEADER}\n{GOOD}\na.png,0\n", "{path}, line 3 must have 5 fields. Found 2."),
        (
            f"{HEADER}\na.png,cat,0,train,{DIGEST}\n",
            f"{{path}}, line 2: `identity` {NUMBER.format(-1, 'cat')}",
        ),
        (
            f"{HEADER}\na.png,-2,0,train,{DIGEST}\n",
            f"{{path}}, line 2: `identity` {NUMBER.format(-1, '-2')}",
        ),
        (
            f"{HEADER}\na.png,0,-1,train,{DIGEST}\n",
            f"{{path}}, line 2: `camera` {NUMBER.format(0, '-1')}",
        ),
        (
            f"{HEADER}\na.png,0,0,test,{DIGEST}\n",
            (
                "{path}, line 2: `split` must be one of train, validation, query, gallery. "
                "Found `test`."
            ),
        ),
        (
            f"{HEADER}\na.png,0,0,train,12\n",
            "{path}, line 2: `digest` must be 64 hexadecimal digits. Found `12`.",
        ),
        (
            f"{HEADER}\n,0,0,train,{DIGEST}\n",
            "{path}, line 2: `path` must not be empty. Found ``.",
        ),
        (
            f"{HEADER}\n{GOOD}\n{GOOD}\n",
            "{path} must name each image once in a split. Found `a.png` 2 times in train.",
        ),
    ],
)
def test_a_bad_manifest_is_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str):
    """Each mistake in the table is named with file, line, column and found value."""
    path = tmp_path / "manifest.csv"
    path.write_text(text)
    with pytest.raises(DataError) as raised:
        Manifest.load(path)
    assert str(raised.value) == sentence.format(path=path)


def test_a_missing_manifest_is_refused(tmp_path: Path):
    """A missing file is a sentence, not a traceback of the csv module."""
    path = tmp_path / "manifest.csv"
    with pytest.raises(DataError) as raised:
        Manifest.load(path)
    assert str(raised.value) == (
        f"{path} must be a readable CSV file. Found: [Errno 2] No such file or directory: "
        f"'{path}'. Prepare the data set again."
    )
