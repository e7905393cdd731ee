"""What a data set's name means."""

from keras_mixup import data
from keras_mixup.runs import data_settings


def test_a_known_name_is_no_folder_beside_it(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert data_settings.kind_of("digits") == "digits"
    assert data_settings.kind_of("./digits") == "folder"
    assert data_settings.kind_of("mine") == "folder"


def test_the_known_names_are_those_of_the_library():
    assert data_settings.NAMED == tuple(data.DATASETS)
