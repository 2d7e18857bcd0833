"""`features.json` of a foreign dataset runs no code, however it names a class."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from etils import epath
from tfds_dcase import ArchiveError
from tfds_dcase.features_file import opened

PREFIX = "tensorflow_datasets.core.features."
FEATURES = f"{PREFIX}features_dict.FeaturesDict"
HIDDEN = json.dumps({"x": {"type": "evil.Feature", "content": {}}})
BELOW = {"x": {"pythonClassName": "evil.Feature", "text": {}}}


@pytest.mark.parametrize(
    "content",
    [
        {"pythonClassName": "evil.Feature"},
        {"python_class_name": "evil.Feature"},
        {"pythonClassName": FEATURES, "featuresDict": {"features": BELOW}},
        {"pythonClassName": FEATURES, "jsonFeature": {"json": HIDDEN}},
        {"pythonClassName": FEATURES, "json_feature": {"json": HIDDEN}},
        {"type": "evil.Feature", "content": {}},
        {"type": FEATURES, "content": {"x": {"type": "evil.Feature", "content": {}}}},
        {
            "type": FEATURES,
            "proto_cls": "tensorflow_datasets.FeaturesDict",
            "content": json.dumps({"features": BELOW}),
        },
        {"pythonClassName": f"{PREFIX}text_feature.Evil"},
        {"pythonClassName": ["evil.Feature"]},
        {},
        [],
        None,
    ],
)
def test_a_foreign_class_is_not_imported(
    content: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module, which writes a marker, could be imported."""
    marker = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "features.json").write_text(json.dumps(content))
    info = {"name": "tfds_dcase", "version": "1.1.0", "fileFormat": "array_record"}
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(ArchiveError, match=r"features\.json"):
        opened(epath.Path(tmp_path))
    assert not marker.exists()
    assert "evil" not in sys.modules
