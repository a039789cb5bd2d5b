"""What earlier releases stored either opens, or is refused with a message.

`earlier/0.1.0` has two runs with three of their accounts, and a model version without most of its
files, as that release wrote them. `tests/health/app/test_database.py` does the same for the app's
database: one of the first release is migrated, a newer one refused.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from features.errors import HealthError
from health.app.database.engine import open_database
from health.training import registry
from tests.health.app.company import NOW, build_app
from tests.health.conftest import Demo, call_health

EARLIER = Path(__file__).parent / "earlier"
ACCOUNT = "ACC-00218"


@pytest.fixture
def company(demo: Demo, own_tables: Path) -> Path:
    """The demo's tables and configuration, with the runs and models of 0.1.0."""
    shutil.copytree(EARLIER / "0.1.0", own_tables, dirs_exist_ok=True)
    return own_tables / "health.toml"


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (("list",), "2 rows"),
        (("list", "--flag", "upsell"), ""),
        (("explain", ACCOUNT), "History"),
        (("portfolio",), "all"),
        (("overrides",), "No score was overridden in 2 runs"),
        (("models",), "2026-11-01-"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_runs_and_models_of_0_1_0_are_listed(
    company: Path, command: tuple[str, ...], shown: str
) -> None:
    done = call_health(command[0], company, *command[1:])
    assert done.code == 0, done.err
    assert shown in done.out


@pytest.mark.parametrize(
    "path", ["/", "/accounts", f"/accounts/{ACCOUNT}", "/renewals", "/expansion", "/team", "/trust"]
)
@pytest.mark.quick_cases(1)
def test_the_app_shows_runs_of_0_1_0(tmp_path: Path, path: str) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'app.sqlite'}", now=NOW)
    app = build_app(database, EARLIER / "0.1.0" / "runs", tmp_path, sign_in="none")
    with app.client(base_url="http://127.0.0.1", address="127.0.0.1") as browser:
        page = browser.get(path, follow_redirects=True)
    database.close()
    assert page.status_code == 200, page.text[:500]
    assert "2026" in page.text


@pytest.mark.slow
@pytest.mark.parametrize("command", ["score", "promote"])
def test_a_model_of_0_1_0_is_refused_in_words(company: Path, command: str) -> None:
    version = registry.champion(company.parent / "models")
    assert version is not None
    arguments = {
        "score": ("score", company, "--replace"),
        "promote": ("models", company, "promote", version),
    }
    runs = sorted((company.parent / "runs").glob("as_of=*"))
    done = call_health(*arguments[command])
    assert done.code == 2
    assert "trained on features that are not in the catalogue: contract_days" in done.err
    assert "train again" in done.err
    assert registry.champion(company.parent / "models") == version
    assert sorted((company.parent / "runs").glob("as_of=*")) == runs


def test_a_tree_of_an_older_scikit_learn_is_refused_in_words(tmp_path: Path) -> None:
    content = (EARLIER / "tree_of_scikit_learn_1.2.2.joblib").read_bytes()
    manifest = {
        "libraries": {"scikit-learn": "1.2.2"},
        "checksums": {"churn.joblib": hashlib.sha256(content).hexdigest()},
    }
    name = f"2026-01-04-{registry.seal(manifest)}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "churn.joblib").write_bytes(content)
    (folder / registry.MANIFEST).write_text(json.dumps({"version": name, **manifest}))
    with pytest.raises(HealthError, match=r"cannot read the model .*\n.*train again") as refused:
        registry.load_version(tmp_path, name)
    assert "trained with scikit-learn 1.2.2" in str(refused.value)
