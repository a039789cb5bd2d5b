"""Modules beside the configuration: only from there, only what they say they are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from features import CATALOGUE, Feature, HealthError, OwnFamily, build_features
from features.custom import catalogue_with
from features.windows.observations import build_observations
from health.settings.config import Config, load_config
from health.settings.custom_features import families_of
from health.settings.custom_modules import exited_module, load_module, module_hash
from health.training.custom_estimators import custom_estimator
from tests.features.company import DAY, ago, company, open_tables

NAME = "own_of_tests"
FAMILY = """
from features import Feature
FEATURES = (Feature("own_ones", "own", "usage", 7, "count", 1, "none", "zero", "Ones: {value}"),)
def build(tables, as_of, accounts):
    return (accounts[[]].assign(own_ones=1.0))
"""


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    sys.modules.pop(NAME, None)


def _write(folder: Path, text: str) -> Path:
    path = folder / f"{NAME}.py"
    path.write_text(text)
    return path


def test_a_module_is_run_once_and_again_when_it_changes(tmp_path: Path) -> None:
    _write(tmp_path, "VALUE = []")
    first = load_module(tmp_path, NAME)
    assert load_module(tmp_path, NAME) is first
    _write(tmp_path, "VALUE = [1]")
    assert load_module(tmp_path, NAME).VALUE == [1]


@pytest.mark.parametrize("name", ["json", "numpy", "features"])
def test_the_name_of_another_module_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("")
    present = sys.modules.get(name)
    with pytest.raises(HealthError, match="another module is already called"):
        load_module(tmp_path, name)
    assert sys.modules.get(name) is present


@pytest.mark.parametrize("name", ["absent", "../up", "a.b"])
def test_nothing_from_elsewhere_is_loaded(tmp_path: Path, name: str) -> None:
    (tmp_path.parent / "up.py").write_text("raise SystemExit")
    with pytest.raises(HealthError, match="no module"):
        load_module(tmp_path, name)


def test_a_module_that_fails_says_where(tmp_path: Path) -> None:
    path = _write(tmp_path, "1 / 0")
    with pytest.raises(HealthError, match="ZeroDivisionError") as refused:
        load_module(tmp_path, NAME)
    assert str(path) in str(refused.value)
    assert NAME not in sys.modules


def test_comments_change_no_hash_and_code_does(tmp_path: Path) -> None:
    hashes = []
    for text in ("A = 1", "# a note\nA  =  1", "A = 2"):
        _write(tmp_path, text)
        hashes.append(module_hash(tmp_path, NAME))
    assert hashes[0] == hashes[1] != hashes[2]
    _write(tmp_path, "A = ")
    with pytest.raises(HealthError, match="not valid Python"):
        module_hash(tmp_path, NAME)


@pytest.mark.slow
def test_own_features_come_after_the_others(tmp_path: Path) -> None:
    _write(tmp_path, FAMILY)
    families = families_of(tmp_path, [NAME])
    table = build_features(open_tables(company()), [ago(30), DAY], extra=families)
    assert list(table.columns[-2:]) == [*CATALOGUE, "own_ones"][-2:]
    assert (table["own_ones"] == 1.0).all()
    plain = build_features(open_tables(company()), [ago(30), DAY])
    pd.testing.assert_frame_equal(table[plain.columns], plain)


def test_a_module_without_features_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, "FEATURES = ()")
    with pytest.raises(HealthError, match="needs FEATURES"):
        families_of(tmp_path, [NAME])


def _family(build: object) -> OwnFamily:
    feature = Feature("own_x", "own", "usage", 7, "count", 1, "none", "zero", "X: {value}")
    return OwnFamily("mine", (feature,), build)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda _t, _d, a: a[[]], "must return a frame with columns own_x"),
        (lambda _t, _d, _a: 1 / 0, "ZeroDivisionError"),
        (lambda _t, _d, a: a[[]].assign(own_x="text"), "own_x: not numbers"),
        (lambda _t, _d, a: a[[]].assign(own_x=1.0).reset_index(), "one row per account_id"),
    ],
)
@pytest.mark.quick_cases(1)
def test_what_build_returns_is_checked(build: object, message: str) -> None:
    tables = open_tables(company())
    with pytest.raises(HealthError, match=message) as refused:
        _family(build).built(tables, build_observations(tables, [DAY]))
    assert "mine" in str(refused.value)


def test_an_account_that_is_not_returned_was_not_measured() -> None:
    def one(_t: object, _d: datetime, accounts: pd.DataFrame) -> pd.DataFrame:
        return accounts[[]].assign(own_x=2).iloc[:1]

    tables = open_tables(company())
    table = _family(one).built(tables, build_observations(tables, [DAY]))
    assert table["own_x"].notna().sum() == 1


def test_a_name_of_the_catalogue_is_taken() -> None:
    feature = CATALOGUE["mrr"]
    with pytest.raises(HealthError, match="already called mrr"):
        catalogue_with([OwnFamily("mine", (feature,), lambda _t, _d, a: a)])


CONFIG = """
[tables.accounts]
path = "a.csv"
[own]
features = ["own_of_tests"]
[[scorecard.components]]
name = "own"
weight = 1
measures = [{ feature = "own_ones", curve = [[0, 0], [1, 100]] }]
"""


def test_the_scorecard_may_use_features_of_ones_own_and_no_unknown_ones(tmp_path: Path) -> None:
    _write(tmp_path, FAMILY)
    (tmp_path / "health.toml").write_text(CONFIG)
    assert load_config(tmp_path / "health.toml").own.features == (NAME,)
    (tmp_path / "health.toml").write_text(CONFIG.replace('"own_ones"', '"own_twos"'))
    with pytest.raises(HealthError, match="no feature is called 'own_twos'"):
        load_config(tmp_path / "health.toml")


@pytest.mark.parametrize(
    ("use", "parameters", "message"),
    [
        ("own_absent:Forest", {}, "no module"),
        ("sklearn.ensemble:Forest", {}, "no class 'Forest'"),
        ("sklearn.wood:Forest", {}, "scikit-learn has no module"),
        ("sklearn.ensemble:RandomForestClassifier", {"trees": 3}, "does not accept"),
        ("sklearn.ensemble:RandomForestRegressor", {}, "not a scikit-learn classifier"),
        ("sklearn.svm:LinearSVC", {}, "not a scikit-learn classifier with predict_proba"),
        ("os:system", {}, "no module 'os' next to"),
    ],
)
def test_an_estimator_that_cannot_be_used(
    tmp_path: Path, use: str, parameters: dict[str, int], message: str
) -> None:
    named = {"churn": {"use": use, "parameters": parameters}}
    config = Config(tables={}, own={"estimators": named}, base=tmp_path)
    with pytest.raises(HealthError, match=message):
        custom_estimator(config, "churn")
    assert custom_estimator(config, "upsell") is None


def test_a_link_to_a_file_elsewhere_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "own_linked.py").write_text("raise RuntimeError\n")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "own_linked.py").symlink_to(tmp_path / "elsewhere" / "own_linked.py")
    with pytest.raises(HealthError, match="link to a file in another folder"):
        load_module(tmp_path / "config", "own_linked")


@pytest.mark.parametrize("raised", ["GeneratorExit", "type('Own', (BaseException,), {})"])
def test_a_module_that_raises_no_exception_is_a_fault(tmp_path: Path, raised: str) -> None:
    (tmp_path / "own_raises.py").write_text(f"raise {raised}\n")
    with pytest.raises(HealthError, match="fails when it is loaded"):
        load_module(tmp_path, "own_raises")


def test_a_module_that_exits_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "own_exit.py").write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(HealthError, match="fails when it is loaded"):
        load_module(tmp_path, "own_exit")
    (tmp_path / "own_exit_late.py").write_text("import sys\ndef leave():\n    sys.exit(0)\n")
    module = load_module(tmp_path, "own_exit_late")
    with pytest.raises(SystemExit) as left:
        module.leave()
    assert exited_module(left.value) == "own_exit_late"
    assert exited_module(SystemExit(0)) is None


def test_no_class_is_constructed_before_it_is_known_to_be_a_classifier(tmp_path: Path) -> None:
    (tmp_path / "own_kind.py").write_text(
        "from pathlib import Path\n"
        "class Writer:\n"
        "    def __init__(self):\n"
        "        Path(__file__).with_name('written').touch()\n"
    )
    text = '[tables.accounts]\npath = "a.csv"\n[own.estimators.churn]\nuse = "own_kind:Writer"\n'
    (tmp_path / "health.toml").write_text(text)
    with pytest.raises(HealthError, match="not a scikit-learn classifier"):
        custom_estimator(load_config(tmp_path / "health.toml"), "churn")
    assert not (tmp_path / "written").exists()
