import json

import pytest
import yaml

from harness.writing import write_json, write_whole, write_yaml


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
