"""Model versions: written whole, opened only when every byte is vouched for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from features.errors import HealthError
from health.training.registry import (
    PROMOTIONS,
    champion,
    changing,
    damaged_promotions,
    list_versions,
    load_version,
    promote,
    promotions,
    read_file,
    recover,
    save_version,
    seal,
)
from models import ChurnModel
from models.churn.few_events import BaseRateClassifier


def _save(folder: Path, value: int = 1) -> str:
    manifest = {"evaluation": {}, "rows": {}}
    return save_version(folder, {"churn": {"value": value}}, manifest, until="2026-01-04").name


def test_round_trip(tmp_path: Path) -> None:
    name = _save(tmp_path)
    assert name.startswith("2026-01-04-")
    loaded = load_version(tmp_path, name)
    assert loaded.artefacts == {"churn": {"value": 1}}
    assert "scikit-learn" in loaded.manifest["libraries"]


def test_the_same_artefacts_make_the_same_version(tmp_path: Path) -> None:
    assert _save(tmp_path / "a") == _save(tmp_path / "b")
    assert _save(tmp_path / "a", 1) != _save(tmp_path / "a", 2)


def test_a_changed_byte_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    name = _save(tmp_path)
    artefact = tmp_path / name / "churn.joblib"
    # Were this opened, it would be no joblib file at all.
    artefact.write_bytes(b"not a model")
    with pytest.raises(HealthError, match="checksum does not match the manifest"):
        load_version(tmp_path, name)


def test_a_missing_artefact_and_a_broken_manifest(tmp_path: Path) -> None:
    name = _save(tmp_path)
    (tmp_path / name / "churn.joblib").unlink()
    with pytest.raises(HealthError, match="cannot be read"):
        load_version(tmp_path, name)
    (tmp_path / name / "manifest.json").write_text("{")
    with pytest.raises(HealthError, match="not a readable manifest"):
        load_version(tmp_path, name)


def test_a_changed_manifest_is_refused(tmp_path: Path) -> None:
    name = _save(tmp_path)
    path = tmp_path / name / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["evaluation"] = {"churn": {"auc": 0.99}}
    path.write_text(json.dumps(manifest))
    with pytest.raises(HealthError, match="does not match the name of the version"):
        load_version(tmp_path, name)


def test_another_major_version_of_a_library_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / _save(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["libraries"]["scikit-learn"] = "0.24.1"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    renamed = f"2026-01-04-{seal(manifest)}"
    folder.rename(tmp_path / renamed)
    with pytest.raises(HealthError, match=r"scikit-learn .* \(trained with 0\.24\.1\)"):
        load_version(tmp_path, renamed)


def test_a_model_of_another_release_is_refused_in_words(tmp_path: Path) -> None:
    model = ChurnModel()
    model.model_ = BaseRateClassifier()
    version = save_version(tmp_path, {"churn": model}, {"evaluation": {}}, until="2026-01-04")
    assert load_version(tmp_path, version.name).artefacts["churn"].get_params()
    del model.model_.prior_rows
    older = save_version(tmp_path, {"churn": model}, {"evaluation": {}}, until="2026-01-04")
    with pytest.raises(HealthError, match="BaseRateClassifier has no prior_rows"):
        load_version(tmp_path, older.name)


def test_a_model_whose_class_is_gone_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = {"churn": BaseRateClassifier()}
    version = save_version(tmp_path, model, {"evaluation": {}}, until="2026-01-04")
    monkeypatch.delattr("models.churn.few_events.BaseRateClassifier")
    with pytest.raises(HealthError, match="another release of this software"):
        load_version(tmp_path, version.name)


def test_further_files_are_vouched_for(tmp_path: Path) -> None:
    version = save_version(
        tmp_path,
        {},
        {"evaluation": {}},
        until="2026-01-04",
        tables={"rows.bin": b"rows"},
        notes={"when.json": "{}"},
    )
    assert read_file(tmp_path, version, "rows.bin") == b"rows"
    assert read_file(tmp_path, version, "absent.bin") is None
    (tmp_path / version.name / "when.json").write_text("another time")
    assert load_version(tmp_path, version.name).artefacts == {}
    (tmp_path / version.name / "rows.bin").write_bytes(b"other")
    with pytest.raises(HealthError, match="checksum"):
        read_file(tmp_path, version, "rows.bin")


def test_saving_again_mends_a_damaged_version(tmp_path: Path) -> None:
    name = _save(tmp_path)
    (tmp_path / name / "churn.joblib").write_bytes(b"damaged")
    assert _save(tmp_path) == name
    assert load_version(tmp_path, name).artefacts == {"churn": {"value": 1}}
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_promotion(tmp_path: Path) -> None:
    assert champion(tmp_path) is None
    first, second = _save(tmp_path, 1), _save(tmp_path, 2)
    promote(tmp_path, first)
    promote(tmp_path, second, {"by": "ada", "reason": "fresher"})
    assert champion(tmp_path) == second
    assert promotions(tmp_path) == [
        {"version": first, "before": None},
        {"version": second, "before": first, "by": "ada", "reason": "fresher"},
    ]
    assert {v.name for v in list_versions(tmp_path)} == {first, second}
    with pytest.raises(HealthError, match="choose one of"):
        promote(tmp_path, "2020-01-01-00000000")
    assert champion(tmp_path) == second


def test_a_version_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        save_version(tmp_path, {}, {"evaluation": float("nan")}, until="2026-01-04")
    assert list(tmp_path.iterdir()) == []


def test_a_replacement_that_was_killed_between_its_renames_is_undone(tmp_path: Path) -> None:
    name = _save(tmp_path)
    promote(tmp_path, name)
    (tmp_path / name).rename(tmp_path / f".old-{name}")
    (tmp_path / ".tmp-0123abcd").mkdir()
    recover(tmp_path)
    assert load_version(tmp_path, name).artefacts == {"churn": {"value": 1}}
    (tmp_path / f".old-{name}").mkdir()
    with changing(tmp_path):
        assert {v.name for v in list_versions(tmp_path)} == {name}
    hidden = [path.name for path in tmp_path.iterdir() if path.name[0] == "."]
    assert hidden == [".lock"]


def test_a_promotion_that_was_killed_before_its_record_is_recorded(tmp_path: Path) -> None:
    first, second = _save(tmp_path, 1), _save(tmp_path, 2)
    promote(tmp_path, first, {"by": "ada"})
    before = (tmp_path / PROMOTIONS).read_bytes()
    promote(tmp_path, second, {"by": "bob"})
    # All that reached the disk of the second record is its start.
    (tmp_path / PROMOTIONS).write_bytes(before + b'{"version": "20')
    assert champion(tmp_path) == second
    assert [line["by"] for line in promotions(tmp_path)] == ["ada"]
    recover(tmp_path)
    assert [line["by"] for line in promotions(tmp_path)] == ["ada", "bob"]
    assert damaged_promotions(tmp_path) == [2]
    recover(tmp_path)
    assert len(promotions(tmp_path)) == 2


@pytest.mark.parametrize("line", [b"[]", b"null", b'{"version": 3}', b"\xff\xfe", b"[" * 10_000])
def test_lines_that_are_no_record_are_counted_and_skipped(tmp_path: Path, line: bytes) -> None:
    name = _save(tmp_path)
    (tmp_path / PROMOTIONS).write_bytes(line + b"\n")
    promote(tmp_path, name)
    assert [record["version"] for record in promotions(tmp_path)] == [name]
    assert damaged_promotions(tmp_path) == [1]


@pytest.mark.parametrize("form", ["../{}", "{}/", "/{}", "..", ".", "", "a\\b", "{}\0", "./{}"])
def test_the_name_of_a_version_is_never_a_path(tmp_path: Path, form: str) -> None:
    outside = _save(tmp_path)
    (tmp_path / "models").mkdir()
    for version in (form.format(outside), form.format(tmp_path / outside)):
        with pytest.raises(HealthError, match="no model version"):
            load_version(tmp_path / "models", version)


def test_a_manifest_that_names_a_file_elsewhere_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / _save(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["checksums"]["../../churn.joblib"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))
    renamed = f"2026-01-04-{seal(manifest)}"
    folder.rename(tmp_path / renamed)
    with pytest.raises(HealthError, match="file outside of the version"):
        load_version(tmp_path, renamed)


def test_a_key_signs_and_asks_for_its_signature(tmp_path: Path) -> None:
    manifest: dict[str, object] = {"evaluation": {}, "rows": {}}
    signed = save_version(tmp_path, {}, manifest, until="2026-01-04", key=b"our key").name
    assert load_version(tmp_path, signed, key=b"our key").name == signed
    assert load_version(tmp_path, signed).name == signed
    with pytest.raises(HealthError, match="a signature of another key"):
        load_version(tmp_path, signed, key=b"another key")
    # Someone who may write files seals a changed manifest anew, but cannot sign it.
    path = tmp_path / signed / "manifest.json"
    changed = {**json.loads(path.read_text()), "evaluation": {"churn": {"auc": {"value": 0.99}}}}
    renamed = tmp_path / f"2026-01-04-{seal(changed)}"
    path.write_text(json.dumps({**changed, "version": renamed.name}))
    path.parent.rename(renamed)
    assert load_version(tmp_path, renamed.name).name == renamed.name
    with pytest.raises(HealthError, match="a signature of another key"):
        load_version(tmp_path, renamed.name, key=b"our key")
    (renamed / "signature.txt").unlink()
    with pytest.raises(HealthError, match="is not signed"):
        load_version(tmp_path, renamed.name, key=b"our key")


class _OlderTree:
    """What a tree of an older scikit-learn does when it is opened."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (_incompatible, ("node array from the pickle has an incompatible dtype",))


def _incompatible(what: str) -> None:
    raise ValueError(what)


def test_a_model_that_the_libraries_cannot_read_is_refused_in_words(tmp_path: Path) -> None:
    version = save_version(
        tmp_path, {"churn": _OlderTree()}, {"evaluation": {}}, until="2026-01-04"
    )
    with pytest.raises(HealthError, match=r"cannot read the model .*incompatible dtype"):
        load_version(tmp_path, version.name)


@pytest.mark.parametrize(
    "text", ["[]", "null", "1", '{"libraries": 1, "checksums": {}}', "[" * 10_000, '{"a": 1}']
)
def test_a_manifest_of_another_form_is_refused_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "manifest.json").write_text(text)
    with pytest.raises(HealthError, match="not a readable manifest"):
        list_versions(tmp_path)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    name = _save(tmp_path)
    (tmp_path / name / "churn.joblib").unlink()
    os.mkfifo(tmp_path / name / "churn.joblib")
    with pytest.raises(HealthError, match="it is not a file"):
        load_version(tmp_path, name)
