"""The configuration: one typed object, read once from one TOML file."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from features.definitions.settings import FeatureSettings
from features.errors import HealthError
from features.tables.connection import MEMORY_LIMIT, TIME_LIMIT
from features.tables.schema import TABLES
from health.settings.app import AppConfig
from health.settings.backtest import BacktestConfig, TuneConfig
from health.settings.clv import ClvConfig, ReasonsConfig
from health.settings.custom import CustomConfig
from health.settings.custom_features import families_of
from health.settings.expansion import ExpansionConfig
from health.settings.expected import ExpectedConfig
from health.settings.features import FeatureConfig
from health.settings.flags import CAUSE_PLAYS, DEFAULT_PLAYS, ORDER_PLAYS, FlagsConfig
from health.settings.limits import read_configuration, refuse_absurd
from health.settings.measure import CUSTOM_FEATURES
from health.settings.notify import NotifyConfig
from health.settings.observability import ObservabilityConfig
from health.settings.profiles import unknown_stages
from health.settings.score import PeerGroup, ScoreSettings
from health.settings.scorecard import Scorecard
from health.settings.secrets import is_secret, remember_secrets, secret
from health.settings.section import PositiveNumber, Section
from health.settings.sources import (
    PublishConfig,
    SharedConfig,
    SourceConfig,
    TableConfig,
    without_password,
)
from health.settings.stages import DEFAULT_STAGE_CONFIG, StageConfig
from health.settings.storage import RetentionConfig, StorageConfig
from health.settings.training import LabelsConfig, TrainingConfig
from health.settings.voice import VoiceConfig
from health.settings.weekly import AlertsConfig, GatesConfig, MonitorConfig, ReportConfig

#: Settings that do not change any published value.
_NO_EFFECT_ON_VALUES: Any = {
    "models_dir": True,
    "runs_dir": True,
    "rollups_dir": True,
    "gates": True,
    "expected": True,
    "monitor": True,
    "alerts": True,
    "backtest": True,
    "tune": True,
    "app": True,
    "publish": True,
    "retention": True,
    "storage": True,
    "observability": True,
    "training": {"signing_key": True},
    "data": dict.fromkeys(
        ("memory_limit", "time_limit_minutes", "allow", "accounts_at_once", "spill"), True
    ),
}

#: Filled in when the file is read.
NOT_KEYS = frozenset({"base", "file", "now"})

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


#: The keys that decide a health score.
SCORE_KEYS = frozenset({"scorecard", "stages", "peer_group"})


class DataConfig(Section):
    """Where the tables are, and the engine that features run on.

    Attributes
    ----------
    url : str
        ``duckdb://`` (in this process), ``duckdb:///company.duckdb``, or Spark: ``spark+local``,
        ``spark://host:port``, or ``sc://host:port`` for Spark Connect. ``$NAME`` is an environment
        variable and ``file:PATH`` a file that contains it, for a URL with a token.
    memory_limit : str
        Maximum memory of DuckDB; the rest spills to the system's temporary folder. On Linux, SQL
        that needs more than twice as much and 1 GiB in the whole process is refused.
    time_limit_minutes : float
        Maximum time that the SQL of one table may take, in DuckDB, Postgres or SQLite.
    allow : tuple of str
        Files and folders outside of the configuration's folder that SQL may read, in addition to
        the `path` of every table and source.
    accounts_at_once : int, optional
        Number of accounts that `health score` processes at a time, approximately. Fewer take less
        memory and more time. By default, features of 100,000 accounts are built and 25,000
        accounts are scored at a time; in executors of Spark, 25,000 for both.
    spill : str, optional
        Folder for the parts of the accounts while a run lasts, with room for a copy of the tables;
        by default the folder of the runs. On Spark, executors build the features and score the
        accounts if it is given: they must reach it, and the folder of the runs.
    """

    url: str = "duckdb://"
    memory_limit: str = Field(
        default=MEMORY_LIMIT, pattern=r"^\d{1,6}(\.\d{1,3})? ?(MB|GB|MiB|GiB)$"
    )
    time_limit_minutes: PositiveNumber = TIME_LIMIT / 60
    allow: tuple[str, ...] = ()
    accounts_at_once: int | None = Field(default=None, ge=1)
    spill: str | None = None

    @field_validator("url")
    @classmethod
    def _no_password(cls, url: str) -> str:
        return without_password(url, example='url = "$SPARK_URL"')


class ChecksConfig(Section):
    """Which violations do not stop a run.

    Attributes
    ----------
    allow : tuple of str
        Codes of violations to report as warnings instead. Each message ends with its code. Allowed
        codes: date_outside_data, ended_before_started, lost_digits, negative_value,
        score_outside_scale, unknown_account, unknown_kind, unknown_scale.
    """

    allow: tuple[str, ...] = ()


class Config(Section):
    """The whole configuration, read from one TOML file.

    Attributes
    ----------
    company : str
        Name of the company in the headings of reports.
    currency : str
        Currency of every amount, as a code such as USD. Rows in another currency are converted
        with `exchange_rates`; a currency without a rate is an error.
    exchange_rates : dict of str to float
        By currency, units of the company's currency for one unit of it: with currency = "USD", EUR
        = 1.10 makes EUR 100 USD 110. One rate applies to all dates, so that a change in rates does
        not count as expansion or contraction.
    as_of_weekday : str
        Weekday on which accounts are scored, at its midnight (UTC).
    observed_until : datetime, optional
        End of the data; by default the latest time in usage, tickets, surveys and orders.
    peer_group : str
        Account attribute that defines peers: accounts with the same value are peers.
    models_dir, runs_dir, rollups_dir : Path
        Folders of model versions, runs and stored roll-ups, relative to the configuration.
    tables : dict of str to TableConfig
        The source of each table.
    sources : dict of str to SourceConfig
        Databases and folders of vendor exports that tables are read from.
    shared : dict of str to SharedConfig
        Views that the SQL of every table can use.
    publish : PublishConfig, optional
        The database that each published run is also written to; none by default.
    plays : dict of str to str
        Suggested play by flag, or by cause for accounts at risk (adoption, contact, support,
        value, commercial), replacing the built-in one.
    expected : tuple of ExpectedConfig
        MRR and accounts according to the company's books on some dates; one `[[expected]]` per
        date. Tables with other totals are rejected.
    data, checks, labels, training, clv, reasons, features, stages, scorecard, flags : Section
        Its own section.
    gates, monitor, alerts, expansion, report, own, backtest, tune, app, notify, voice : Section
        Its own section.
    retention, storage, observability : Section
        Its own section.
    base : Path
        Folder of the file; every relative path starts here.
    file : Path
        The file itself.
    now : datetime, optional
        Current time (UTC), as read by the command line; later rows are ignored.
    """

    company: str = ""
    currency: str = "USD"
    exchange_rates: dict[str, PositiveNumber] = Field(default_factory=dict)
    as_of_weekday: Weekday = "sunday"
    observed_until: datetime | None = None
    peer_group: PeerGroup = "segment"
    models_dir: Path = Path("models")
    runs_dir: Path = Path("runs")
    rollups_dir: Path = Path("rollups")
    data: DataConfig = DataConfig()
    tables: dict[str, TableConfig]
    sources: dict[str, SourceConfig] = Field(default_factory=dict)
    shared: dict[str, SharedConfig] = Field(default_factory=dict)
    publish: PublishConfig | None = None
    checks: ChecksConfig = ChecksConfig()
    expected: tuple[ExpectedConfig, ...] = ()
    labels: LabelsConfig = LabelsConfig()
    training: TrainingConfig = TrainingConfig()
    clv: ClvConfig = ClvConfig()
    reasons: ReasonsConfig = ReasonsConfig()
    features: FeatureConfig = FeatureConfig()
    stages: StageConfig = DEFAULT_STAGE_CONFIG
    scorecard: Scorecard = Scorecard()
    flags: FlagsConfig = FlagsConfig()
    gates: GatesConfig = GatesConfig()
    monitor: MonitorConfig = MonitorConfig()
    alerts: AlertsConfig = AlertsConfig()
    expansion: ExpansionConfig = ExpansionConfig()
    report: ReportConfig = ReportConfig()
    own: CustomConfig = CustomConfig()
    backtest: BacktestConfig = BacktestConfig()
    tune: TuneConfig = TuneConfig()
    app: AppConfig = AppConfig()
    retention: RetentionConfig = RetentionConfig()
    storage: StorageConfig = StorageConfig()
    observability: ObservabilityConfig = ObservabilityConfig()
    notify: NotifyConfig = NotifyConfig()
    voice: VoiceConfig = VoiceConfig()
    plays: dict[str, str] = Field(default_factory=dict)

    base: Path = Field(default=Path(), exclude=True)
    file: Path = Field(default=Path(), exclude=True)
    now: datetime | None = Field(default=None, exclude=True)

    @field_validator("tables")
    @classmethod
    def _known_tables(cls, tables: dict[str, TableConfig]) -> dict[str, TableConfig]:
        for name in tables:
            if name not in TABLES:
                raise ValueError(f"no table is called {name!r}{_closest(name, TABLES)}")
        return tables

    @field_validator("plays")
    @classmethod
    def _known_flags(cls, plays: dict[str, str]) -> dict[str, str]:
        for name in plays:
            known = {**DEFAULT_PLAYS, **CAUSE_PLAYS}
            if name not in known:
                raise ValueError(f"no flag or cause is called {name!r}{_closest(name, known)}")
        return plays

    @field_validator("exchange_rates")
    @classmethod
    def _upper_case_codes(cls, rates: dict[str, float]) -> dict[str, float]:
        upper = {code.strip().upper(): rate for code, rate in rates.items()}
        if len(upper) < len(rates):
            raise ValueError("a currency is listed twice")
        return upper

    @model_validator(mode="after")
    def _own_currency_is_the_unit(self) -> Config:
        if self.exchange_rates.get(self.currency.upper(), 1.0) != 1.0:
            raise ValueError(
                f"exchange_rates has a rate for {self.currency}, which is the company's currency: "
                f"rates are {self.currency} for one unit of another currency"
            )
        return self

    @field_validator("observed_until", mode="before")
    @classmethod
    def _date_is_midnight(cls, value: Any) -> Any:
        return datetime(value.year, value.month, value.day) if type(value) is date else value

    @field_validator("observed_until")
    @classmethod
    def _naive_utc(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is not None:
            return value.astimezone(UTC).replace(tzinfo=None)
        return value

    @model_validator(mode="after")
    def _absolute_folders(self) -> Config:
        object.__setattr__(self, "models_dir", self.base / self.models_dir)
        object.__setattr__(self, "runs_dir", self.base / self.runs_dir)
        object.__setattr__(self, "rollups_dir", self.base / self.rollups_dir)
        return self

    @model_validator(mode="after")
    def _scorecard_of_tables(self) -> Config:
        if "subscriptions" not in self.tables:
            object.__setattr__(self, "scorecard", self.scorecard.where_customers_order())
        if "goals" in self.tables:
            object.__setattr__(self, "scorecard", self.scorecard.with_goals())
        return self

    @model_validator(mode="after")
    def _known_stages(self) -> Config:
        wrong = unknown_stages(self.scorecard, self.stages)
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def readable(self) -> tuple[Path, ...]:
        """The files and folders that SQL may read, besides the configuration's folder."""
        of_tables = [table.path for table in self.tables.values() if table.path is not None]
        of_sources = [source.path for source in self.sources.values() if source.path is not None]
        return tuple(self.base / path for path in (*self.data.allow, *of_tables, *of_sources))

    @property
    def engine_url(self) -> str:
        """The URL of the engine; HealthError if the variable or file it names cannot be read."""
        return secret(self.data.url, where="data.url", base=self.base)

    @property
    def model_key(self) -> bytes | None:
        """The key that signs model versions; HealthError if its secret cannot be read."""
        name = self.training.signing_key
        where = "training.signing_key"
        return secret(name, where=where, base=self.base).encode() if name else None

    @property
    def weekday(self) -> int:
        """The weekday of as_of dates, 0 = Monday."""
        return WEEKDAYS.index(self.as_of_weekday)

    @property
    def feature_settings(self) -> FeatureSettings:
        """What decides the features."""
        return FeatureSettings(
            peer_group=self.peer_group,
            grace_days=self.labels.grace_days,
            stages=self.stages,
            requests=tuple(self.voice.request_phrases.items()),
            request_labels=self.voice.labels,
            text_models=self.voice.text_models,
            **dict(self.features),
        )

    @property
    def score_settings(self) -> ScoreSettings:
        """What decides the health score."""
        return ScoreSettings(
            scorecard=self.scorecard, stages=self.stages, peer_group=self.peer_group
        )

    @property
    def hash(self) -> str:
        """Hash of every setting that can change a value; `_NO_EFFECT_ON_VALUES` lists others."""
        settings = self.model_dump(mode="json", exclude=_NO_EFFECT_ON_VALUES)
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]

    def play(self, flag: str, cause: str = "") -> str:
        """Return the suggested play for a kind of flag.

        Parameters
        ----------
        flag : str
            Kind of flag.
        cause : str
            For an account at risk, the cause that exceeds the usual most; a play that the
            configuration gives for the flag is replaced only by one that it gives for the cause.
        """
        built_in = DEFAULT_PLAYS if "subscriptions" in self.tables else DEFAULT_PLAYS | ORDER_PLAYS
        if flag == "at_risk" and cause and (cause in self.plays or flag not in self.plays):
            return self.plays.get(cause, CAUSE_PLAYS[cause])
        return self.plays.get(flag, built_in[flag])


def load_config(
    path: Path, *, scorecard_of: Path | None = None, now: datetime | None = None
) -> Config:
    """Read and validate a configuration file.

    Parameters
    ----------
    path : Path
        A TOML file.
    scorecard_of : Path, optional
        Another file, from which the scorecard, the stages and the peer group are taken instead.
        What it does not set has its default; everything else in it is ignored.
    now : datetime, optional
        Current time (UTC).

    Raises
    ------
    HealthError
        The file is missing, is not valid TOML, or has unknown keys or invalid values; all problems
        are listed at once.
    """
    content, named = _content(path), str(path)
    if scorecard_of is not None:
        other = _content(scorecard_of)
        kept = {key: value for key, value in content.items() if key not in SCORE_KEYS}
        content = kept | {key: value for key, value in other.items() if key in SCORE_KEYS}
        named = f"{path} with the scorecard of {scorecard_of}"
    base = path.resolve().parent
    try:
        own = _custom_features(content, base)
        return Config.model_validate(
            {**content, "base": base, "file": path, "now": now}, context={CUSTOM_FEATURES: own}
        )
    except ValidationError as error:
        raise HealthError(
            "the configuration is not valid\n" + "\n".join(_problems(error)),
            where=named,
            fix="correct the keys and values named above; health/SETTINGS.md lists every key",
        ) from None


def _content(path: Path) -> dict[str, Any]:
    text = read_configuration(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise HealthError(
            f"not valid TOML: {error}", where=str(path), fix="correct the line named above"
        ) from None
    except RecursionError:
        raise HealthError(
            "not valid TOML: nested too deeply", where=str(path), fix="write flat tables"
        ) from None
    except ValueError as error:
        # A number of thousands of digits, a date that no calendar has.
        raise HealthError(
            f"not valid TOML: {str(error)[:200]}", where=str(path), fix="correct the value"
        ) from None
    remember_secrets(content)
    refuse_absurd(content, str(path))
    return content


def _custom_features(content: dict[str, Any], base: Path) -> frozenset[str]:
    """Return the names of the custom features, which the scorecard may use."""
    named = CustomConfig.model_validate(content.get("own", {})).features
    return frozenset(f.name for family in families_of(base, named) for f in family.features)


def _problems(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            siblings = _siblings(problem["loc"][:-1])
            message = f"unknown key{_closest(str(problem['loc'][-1]), siblings)}"
        elif problem["type"] == "missing":
            message = "required, and missing"
        else:
            value = problem.get("input")
            is_shown = not isinstance(value, dict | Config) and not is_secret(problem["loc"])
            shown = f" (got {value!r})" if is_shown else ""
            message = problem["msg"].removeprefix("Value error, ") + shown
        lines.append(f"  {key}: {message}" if key else f"  {message}")
    return lines


def _siblings(loc: tuple[int | str, ...]) -> list[str]:
    """Return the known keys of the section in which an unknown one was found."""
    model: Any = Config
    for part in loc:
        if isinstance(part, int) or model is None:
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        model = next(
            (c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), model
        )
    return [name for name in model.model_fields if name not in NOT_KEYS]


def _closest(name: str, known: Any) -> str:
    options = sorted(known)
    match = difflib.get_close_matches(name, options, n=1)
    return f"; did you mean {match[0]!r}?" if match else f"; known are {', '.join(options)}"
