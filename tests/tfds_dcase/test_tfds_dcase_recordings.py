"""Real recordings come out of the records as they lie in their archives."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tfds_dcase
from tfds_dcase.layouts import LAYOUTS

pytestmark = pytest.mark.recordings


def test_every_recording_is_read_back_sample_by_sample(shared: Path, tmp_path: Path) -> None:
    datasets = [config for config in LAYOUTS if (shared / "recordings" / config).is_dir()]
    if not datasets:
        pytest.skip(f"no recordings of {', '.join(LAYOUTS)} in {shared}/recordings")
    for config in datasets:
        folder = shared / "recordings" / config
        builder = tfds_dcase.prepare(config, folder, tmp_path)
        index = {clip.clip_id: clip for clip in tfds_dcase.read_index(builder.data_path)}
        sources = {split: builder.as_data_source(split) for split in builder.info.splits}
        seen = 0
        for path in sorted(folder.glob("*.zip")):
            stage = "dev" if path.name.startswith("dev") else "eval"
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if not name.endswith(".wav"):
                        continue
                    clip = index[f"{config}/{stage}/{name}"]
                    expected, rate = soundfile.read(io.BytesIO(archive.read(name)), dtype="int16")
                    record = sources[clip.split][clip.position]
                    np.testing.assert_array_equal(record["waveform"], expected)
                    assert (clip.samples, clip.sample_rate) == (len(expected), rate)
                    seen += 1
        assert seen == len(index)
