"""The company, the users and the app that the tests of the app share."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from features.catalogue import CATALOGUE
from health.app.access.sessions import start_session
from health.app.access.users import find_user
from health.app.database.engine import Database
from health.app.reading.runs import Runs
from health.app.routes import site
from health.app.web import App
from health.business.kinds import ORDERS
from health.settings.config import Config
from tests.health.sample_run import AS_OF, HOSTILE, PRODUCTS, sample_run

NOW = datetime(2026, 11, 2, 8, 0)
PASSWORD = "correct horse battery"
#: A user of each role; the CSMs have accounts of their own, and two of them a team.
USERS: dict[str, dict[str, Any]] = {
    "reader": {"role": "reader", "name": "Rea Der"},
    "csm": {"role": "csm", "name": "Chloe Okafor", "csm": "Chloe Okafor", "team": "north"},
    "colleague": {"role": "csm", "name": "Viktor Ueda", "csm": "Viktor Ueda", "team": "north"},
    "lead": {"role": "lead", "name": "Lea Der"},
    "admin": {"role": "admin", "name": "Adam In"},
}
#: Accounts of CSM, of the colleague in the team, and of somebody else.
OWN, TEAM, OTHER = "ACC-00001", "ACC-00003", "ACC-00002"


@dataclass
class Clock:
    """A clock that tests move."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class AppUnderTest:
    """An app and browsers that are signed in to it."""

    asgi: ASGIApp
    database: Database
    runs: Runs
    clock: Clock
    app: App
    clients: dict[str, TestClient] = field(default_factory=dict)

    def client(self, *, base_url: str = "http://app.test", address: str = "10.1.1.1") -> TestClient:
        """Return a browser that is not signed in."""
        return TestClient(
            self.asgi, base_url=base_url, client=(address, 50000), follow_redirects=False
        )

    def signed_in(self, login: str) -> TestClient:
        """Return a browser of a user, signed in by password once."""
        if login not in self.clients:
            client = self.client()
            user = find_user(self.database, login)
            assert user is not None
            client.cookies.set("health", start_session(self.database, user, now=self.clock.now))
            self.clients[login] = client
        return self.clients[login]


def config_of(runs_dir: Path, base: Path, **sections: Any) -> Config:
    """Return the configuration of the company, with some sections."""
    return Config.model_validate(
        {
            "company": "Fjord & Sons <Ltd>",
            "runs_dir": str(runs_dir),
            "tables": {"accounts": {"path": "a.csv"}, "subscriptions": {"path": "s.csv"}},
            "base": base,
            "file": base / "health.toml",
            **sections,
        }
    )


def build_app(
    database: Database,
    runs_dir: Path,
    base: Path,
    *,
    tables: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AppUnderTest:
    """Build an app over published runs; local sign-in unless `settings` differ."""
    sections = {} if tables is None else {"tables": tables}
    config = config_of(runs_dir, base, app={"sign_in": "local", **settings}, **sections)
    clock, runs = Clock(), Runs(config.runs_dir, config.file)
    app = App(config, database, runs, clock)
    return AppUnderTest(site(app), database, runs, clock, app)


def csrf_of(client: TestClient, path: str = "/profile") -> str:
    """Return the token of a browser's session, from a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return found.group(1)


def form(client: TestClient, request_id: str = "0" * 32, **fields: str) -> dict[str, str]:
    """Return the fields of a form as a page of this browser would send them."""
    return {"csrf": csrf_of(client), "request_id": request_id, **fields}


#: Tables of a company whose customers order.
BY_ORDERS = {"accounts": {"path": "a.csv"}, "orders": {"path": "o.csv"}}


def write_runs(
    runs_dir: Path, *, accounts: int = 200, weeks: int = 3, by_orders: bool = False
) -> Path:
    """Write a made-up run with hostile names and some weeks of it before."""
    sample = sample_run(accounts, weeks=weeks)
    if by_orders:
        sample.run["business"] = ORDERS
    for number, (day, past) in enumerate(sample.past_scores.groupby("as_of")):
        own = sample.scores.drop(columns=["health_score", "health_band", "mrr", "as_of"])
        scores = own.merge(past, on="account_id")
        flags = sample.flags[sample.flags["since"] <= day]
        _write_run(runs_dir, pd.Timestamp(day), scores, flags, sample, final=False)
        assert number < weeks
    _write_run(runs_dir, AS_OF, sample.scores, sample.flags, sample, final=True)
    return runs_dir


def _write_run(
    runs_dir: Path,
    day: pd.Timestamp,
    scores: pd.DataFrame,
    flags: pd.DataFrame,
    sample: Any,
    *,
    final: bool,
) -> None:
    folder = runs_dir / f"as_of={day.date()}"
    folder.mkdir(parents=True)
    scores = scores.assign(as_of=day)
    by_orders = sample.run.get("business") == ORDERS
    if by_orders:
        terms = [c for c in ("days_to_renewal", "renewal_date", "seats") if c in scores]
        scores = scores.rename(columns={"mrr": "monthly_orders"}).drop(columns=terms)
        scores = scores.assign(orders_expected=1.7, order_probability=0.4, past_value=900.0)
        flags = flags[flags["flag"].isin(["at_risk", "silent", "order"])]
    scores.to_parquet(folder / "scores.parquet", index=False)
    flags.to_parquet(folder / "flags.parquet", index=False)
    run = {**sample.run, "as_of": str(day.date())}
    if final:
        sample.reasons.to_parquet(folder / "reasons.parquet", index=False)
        sample.changes.to_parquet(folder / "changes.parquet", index=False)
        if not by_orders:
            _whitespace(scores).to_parquet(folder / "whitespace.parquet", index=False)
            _contracts(scores).to_parquet(folder / "contracts.parquet", index=False)
        for name, table in _voice(scores).items():
            table.to_parquet(folder / f"{name}.parquet", index=False)
        run["voice"] = {
            "comments": 3 * len(scores),
            "themes": 2,
            "impact_of": "nps",
            "sentiment": "Learned from 400 scored comments.",
            "stability": "2 themes.",
        }
        _events(scores).to_parquet(folder / "events.parquet", index=False)
        _contacts(scores).to_parquet(folder / "contacts.parquet", index=False)
    _features(scores, final=final).to_parquet(folder / "features.parquet", index=False)
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")


#: Themes of the comments, the first with a hostile name.
THEME_NAMES = ('<b>late</b> " delivery', "slow · reports")


def _voice(scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return two themes, and three comments of each account that name it, with hostile words."""
    rows = scores[["account_id"]].merge(pd.DataFrame({"number": range(3)}), "cross")
    number = rows["number"].to_numpy()
    words = pd.Series(HOSTILE)[rows.index.to_numpy() % len(HOSTILE)].to_numpy()
    comments = rows.assign(
        written_at=AS_OF - pd.to_timedelta(9 + number, unit="D"),
        source=np.array(["nps", "csat", "ticket"])[number],
        score=np.array([2.0, 4.0, np.nan])[number],
        respondent_id="u1",
        tone=pd.Series(["negative", "positive", None])[number].to_numpy(),
        themes=[json.dumps([THEME_NAMES[n]] if n < 2 else []) for n in number],
        comment=[
            f"{account} writes {word}"
            for account, word in zip(rows["account_id"], words, strict=True)
        ],
    )
    themes = pd.DataFrame({"theme": THEME_NAMES, "phrases": THEME_NAMES}).assign(
        mentions=20.0,
        share=0.25,
        recent=0.5,
        earlier=0.0,
        impact=1.5,
        impact_low=0.5,
        impact_high=2.5,
        by_segment='{"<i>SMB</i>": 0.5, "Mid": 0.25}',
        by_stage="{}",
    )
    return {"voice_themes": themes, "voice_comments": comments}


def _events(scores: pd.DataFrame) -> pd.DataFrame:
    """Return an open ticket, an answer and a notice of each account, with hostile words."""
    kinds = pd.DataFrame({"kind": ["ticket", "answer", "notice"], "is_open": [True, False, False]})
    rows = scores[["account_id"]].merge(kinds, "cross")
    words = pd.Series(HOSTILE)[rows.index.to_numpy() % len(HOSTILE)].to_numpy()
    return rows.assign(at=AS_OF - pd.Timedelta(days=9), title=words, text=words)


def _contacts(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a champion with a hostile role and somebody who has left, of each account."""
    people = pd.DataFrame(
        {
            "contact_id": ["ann@example.com", "bo@example.com"],
            "role": [HOSTILE[0], "Admin"],
            "is_champion": pd.array([True, None], dtype="boolean"),
            "created_at": AS_OF - pd.Timedelta(days=400),
            "left_at": pd.to_datetime([None, AS_OF - pd.Timedelta(days=30)]),
        }
    )
    return scores[["account_id"]].merge(people, "cross")


def _contracts(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a contract of each account."""
    return scores[["account_id", "mrr"]].assign(
        product="<b>Sync</b>",
        plan=HOSTILE[0],
        seats=12.0,
        started_at=AS_OF - pd.Timedelta(days=400),
        renews_at=AS_OF + pd.Timedelta(days=30),
        notice_at=pd.Series(pd.NaT, index=scores.index, dtype="datetime64[us]"),
    )


def _features(scores: pd.DataFrame, *, final: bool) -> pd.DataFrame:
    """Return features that go with the score, so that a scorecard ranks somehow."""
    rng = np.random.default_rng(int(final))
    level = scores["health_score"].fillna(50).to_numpy() / 100
    values = {name: level + rng.normal(0, 0.2, len(scores)) for name in CATALOGUE}
    return pd.concat([scores[["account_id", "as_of", "segment"]], pd.DataFrame(values)], axis=1)


def _whitespace(scores: pd.DataFrame) -> pd.DataFrame:
    rows = scores[["account_id", "name", "csm"]].merge(pd.DataFrame({"product": PRODUCTS}), "cross")
    number = rows.index.to_numpy()
    return rows.assign(
        as_of=AS_OF,
        status=pd.Series(["open", "held", "not eligible"])[number % 3].to_numpy(),
        offer="cross_sell",
        held_mrr=100.0 * (number % 3 == 1),
        probability=0.04,
        base_rate=0.02,
        value=pd.Series([120.0, float("nan"), float("nan")])[number % 3].to_numpy(),
        listed=False,
        why="",
        why_not=pd.Series(["", "", "not eligible: only for <b>SMB</b>"])[number % 3].to_numpy(),
    )
