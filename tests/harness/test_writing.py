import json

import pytest
import yaml

from harness.writing import parsed, read_sealed, unsealed, write_json, write_whole, write_yaml


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_whole(tmp_path / "new" / "a.bin", b"one")
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"one"
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            write_whole(tmp_path / "new" / "a.bin", b"two")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.bin"]
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"one"


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": (1, 2)})
    assert json.loads(path.read_text()) == {"a": [1, 2], "b": 1}
    assert path.read_text().index('"a"') < path.read_text().index('"b"')
    circular = {}
    circular["self"] = circular
    with pytest.raises(ValueError, match="Circular"):
        write_json(path, circular)
    assert json.loads(path.read_text()) == {"a": [1, 2], "b": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_yaml_keeps_the_order_of_its_keys_and_letters_as_they_are(tmp_path):
    write_yaml(tmp_path / "a.yaml", {"b": "größer", "a": [1, 2]})
    text = (tmp_path / "a.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == {"b": "größer", "a": [1, 2]}
    assert text.startswith("b: größer")


@pytest.mark.parametrize("depth", [200, 900, 960, 980, 2000, 100_000])
def test_json_that_is_too_deep_is_damaged(depth):
    nested = depth * "[" + depth * "]"
    with pytest.raises(ValueError, match=r"no mapping|too deep"):
        unsealed(nested.encode())
    whole = f'{{"a": {nested}, "sha256": "x"}}'.encode()
    with pytest.raises(ValueError, match=r"its checksum is another|too deep"):
        unsealed(whole)
    if depth >= 2000:
        with pytest.raises(ValueError, match=r"^lists and mappings lie too deep in one another$"):
            parsed(nested)


def test_what_has_no_end_is_not_read(tmp_path):
    (tmp_path / "endless").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="it is not a file"):
        read_sealed(tmp_path / "endless")
