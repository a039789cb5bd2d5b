"""The choice among candidates, by what they predicted for later dates of other accounts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from models.base.calibration import fit_calibration, row_log_loss
from models.base.inputs import FloatArray, IntArray
from models.churn.candidates import BASE, CUSTOM, GLASS, ORDER, OUTLOOK, TIMING, Candidates
from models.churn.later_dates import (
    FEWEST_TESTED,
    HeldOut,
    LabelledRows,
    last_before,
    time_parts,
    usable_parts,
)
from models.churn.term_end import term_end_chance
from models.evaluation.clustered_auc import clustered_aucs
from models.glass_box.classifier import account_folds as account_folds_of

#: Joint confidence of the bounds. They are approximate where few accounts have the event: of 400
#: companies without any signal, 14 passed a bound of 97.5 %; 10 of 200 would be one in twenty.
LEVEL = 0.985
#: A smaller probability that so many left at the end of a term by chance is no chance.
TERM_END_CHANCE = 0.005
#: Rows that candidates are fitted on to be compared; the chosen one is fitted on all.
MOST_ROWS = 20_000


@dataclass(frozen=True)
class Tried:
    """What a candidate predicted for later dates of other accounts.

    Attributes
    ----------
    name : str
    log_loss : float
        After calibration without the row's own account; where accounts are held out, the mean of
        that on later dates and that on all dates.
    more_than_best, standard_error : float
        The log loss minus that of the best candidate that may be published, and its standard
        error over accounts.
    auc, auc_low : float
        AUC among rows of one date, on held-out accounts, and its lower 98.5 % bound that holds
        for all candidates at once.
    has_signal : bool
        The bound is above 0.5, and the log loss on later dates alone below that of the base rate;
        for the renewal timing, it is enough that accounts leave at the end of their term. An
        outlook must also gain more than a standard error over the glass box without it.
    """

    name: str
    log_loss: float
    more_than_best: float
    standard_error: float
    auc: float
    auc_low: float
    has_signal: bool


@dataclass(frozen=True)
class NotFitted:
    """A candidate that could not be compared, as some parts of the rows are too few for it.

    Attributes
    ----------
    name : str
    parts, of_parts : int
        Parts of the rows in which it could not be fitted, and all parts.
    why : str
        What the first of these parts lacks.
    """

    name: str
    parts: int
    of_parts: int
    why: str


@dataclass(frozen=True)
class Choice:
    """Which candidate is published, and why.

    Attributes
    ----------
    chosen : str
        A name of `models.churn.candidates.ORDER`.
    why : str
        In a sentence.
    candidates : tuple of Tried
        From the simplest to the most complex; empty where they could not be compared.
    accounts, event_accounts : int
        The accounts behind it, and those of them that had the event.
    has_signal : bool
        Whether the choice passed a test; False where none was made.
    held_out : mapping of str to HeldOut
        Predictions of every candidate.
    not_fitted : tuple of NotFitted
        Candidates that could not be fitted in every part of the rows, and so were not compared.
    """

    chosen: str
    why: str
    candidates: tuple[Tried, ...] = ()
    accounts: int = 0
    event_accounts: int = 0
    has_signal: bool = False
    held_out: Mapping[str, HeldOut] = field(default_factory=dict, repr=False, compare=False)
    not_fitted: tuple[NotFitted, ...] = ()

    @property
    def tested(self) -> str:
        """The chosen candidate; where that is the base rate, the best of the others."""
        others = [tried for tried in self.candidates if tried.name != BASE]
        if self.chosen != BASE or not others:
            return self.chosen
        return min(others, key=lambda tried: tried.log_loss).name

    @property
    def log_loss(self) -> dict[str, float]:
        """The held-out log loss of every candidate."""
        return {tried.name: tried.log_loss for tried in self.candidates}


@dataclass(frozen=True)
class _Compared:
    """Predictions by candidate, and the candidates that could not be compared."""

    held_out: Mapping[str, HeldOut]
    not_fitted: tuple[NotFitted, ...]


def choose(
    candidates: Candidates,
    rows: LabelledRows,
    *,
    n_splits: int,
    embargo_days: float,
    account_folds: int,
    seed: int,
) -> Choice:
    """Compare candidates on later dates of other accounts, by the rules of models/README.md.

    Parameters
    ----------
    candidates : Candidates
        What is compared.
    rows : LabelledRows
        Without dates, or with too few, accounts alone part the rows.
    n_splits : int
        Later blocks of dates; fewer where the history is short.
    embargo_days : float
        Horizon + grace.
    account_folds : int
        Folds of accounts; 0 tests on the later dates of all accounts.
    seed : int
        Seed of the folds.
    """
    # Days of leaving show more of a term's end than an outcome up to the horizon does.
    followed = rows.followed if TIMING in candidates.names else None
    by_term = followed is not None and term_end_chance(followed) < TERM_END_CHANCE
    parts = time_parts(rows, n_splits, embargo_days, account_folds, seed)
    compared = _compared(candidates, rows, parts)
    held_out = compared.held_out
    names = [name for name in ORDER if name in held_out]
    places = held_out[names[0]].places if names else np.empty(0, dtype=np.int64)
    target, codes = rows.target[places], rows.codes[places]
    accounts, events = len(np.unique(codes)), len(np.unique(codes[target == 1]))
    if events < FEWEST_TESTED or target.all() or names == [BASE]:
        why = f"{events} accounts with the event are too few to compare candidates on"
        if by_term:
            why = f"accounts leave at the end of their term; {why}"
        chosen = TIMING if by_term else BASE
        return Choice(chosen, why, (), accounts, events, by_term, held_out, compared.not_fitted)
    everywhere = _on_all_dates(candidates, rows, compared, account_folds, seed)
    unseen = everywhere.held_out
    lacking = {one.name: one for one in (*everywhere.not_fitted, *compared.not_fitted)}
    not_fitted = tuple(lacking[name] for name in ORDER if name in lacking)
    names = [name for name in names if name in unseen]
    tests = [held_out] if unseen is held_out else [held_out, unseen]
    losses, places = _losses(names, tests, rows, seed)
    later = {name: float(loss[: len(target)].mean()) for name, loss in losses.items()}
    better = {name for name in names if later[name] < later.get(BASE, np.inf)}
    tried, best = _tried(
        names,
        losses,
        rows.codes[places],
        _aucs(names, unseen, rows),
        better=better,
        by_term=by_term,
    )
    in_time = not held_out[names[0]].learnt_until.hasnans
    where = f"on {'later and on all dates' if in_time else 'rows'} of held-out accounts"
    if in_time and account_folds < 2:
        where = "on later dates"
    chosen, why = _chosen(tried, best, f"{where} ({events:,} of {accounts:,} with the event)")
    return Choice(chosen, why, tried, accounts, events, best is not None, held_out, not_fitted)


def _on_all_dates(
    candidates: Candidates,
    rows: LabelledRows,
    later: _Compared,
    account_folds: int,
    seed: int,
) -> _Compared:
    """Return predictions for held-out accounts on all dates: the most that a test can see.

    Those for later dates where accounts are not held out, or where dates do not part the rows.
    """
    if account_folds < 2 or next(iter(later.held_out.values())).learnt_until.hasnans:
        return later
    folds = account_folds_of(rows.target, rows.codes, n_folds=account_folds, seed=seed)
    parts = [(np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in range(account_folds)]
    found = _compared(candidates, rows, parts)
    return found if found.held_out else later


def _compared(
    candidates: Candidates, rows: LabelledRows, parts: Sequence[tuple[IntArray, IntArray]]
) -> _Compared:
    """Return the predictions of each candidate that could be fitted in every part."""
    parts = list(usable_parts(rows, list(parts)))
    if not parts:
        return _Compared({}, ())
    found: dict[str, list[FloatArray]] = {}
    faults: dict[str, list[str]] = {}
    level = []
    for number, (train, test) in enumerate(parts):
        known = rows.known_for(_some_accounts(rows, train, number), test)
        asked = rows.where(test)
        fits = candidates.fit_all(known, seed=number)
        for name, why in fits.faults.items():
            faults.setdefault(name, []).append(why)
        for name, model in fits.models.items():
            frame = candidates.seen(name, asked).frame
            found.setdefault(name, []).append(model.decision_function(frame))
        level.append(np.full(len(test), known.level))
    places = np.concatenate([test for _, test in parts])
    until = [last_before(rows.dates, train, test) for train, test in parts for _ in test]
    learnt_until = pd.DatetimeIndex(until).as_unit("us")
    return _Compared(
        {
            name: HeldOut(places, np.concatenate(values), learnt_until, np.concatenate(level))
            for name, values in found.items()
            if len(values) == len(parts)
        },
        tuple(NotFitted(name, len(why), len(parts), why[0]) for name, why in faults.items()),
    )


def _some_accounts(rows: LabelledRows, train: IntArray, seed: int) -> IntArray:
    """Return the rows of as many random accounts as a comparison needs to be clear."""
    if len(train) <= MOST_ROWS:
        return train
    accounts = int(rows.codes.max()) + 1
    place = np.random.default_rng(seed).permutation(accounts)[rows.codes[train]]
    kept = train[place < accounts * MOST_ROWS / len(train)]
    return kept if 0 < rows.target[kept].sum() < len(kept) else train


def _levelled(held_out: HeldOut) -> FloatArray:
    """Return log-odds without the share of events of a part's training rows.

    It says nothing about a row of the part.
    """
    return np.asarray(held_out.logit - held_out.level + held_out.level.mean())


def _losses(
    names: Sequence[str], tests: Sequence[Mapping[str, HeldOut]], rows: LabelledRows, seed: int
) -> tuple[dict[str, FloatArray], IntArray]:
    """Return the log loss of each tested row, and the row, after calibration without its account.

    Rows of the first test come first. Each test counts the same, whatever its number of rows:
    losses are scaled by that.
    """
    places = [test[names[0]].places for test in tests]
    n_rows = sum(map(len, places))
    found = {}
    for name in names:
        parts = []
        for test, own in zip(tests, places, strict=True):
            target, codes = rows.target[own], rows.codes[own]
            fitted = fit_calibration(_levelled(test[name]), target, groups=codes, seed=seed)
            scale = n_rows / (len(tests) * len(own))
            parts.append(row_log_loss(target, fitted.held_out_logit) * scale)
        found[name] = np.concatenate(parts)
    return found, np.concatenate(places)


def _aucs(
    names: Sequence[str], held_out: Mapping[str, HeldOut], rows: LabelledRows
) -> dict[str, tuple[float, float]]:
    """Return AUC among rows of one date, and joint lower bound, of each candidate but the base."""
    others = [name for name in names if name != BASE]
    if not others:
        return {}
    places = held_out[others[0]].places
    found = clustered_aucs(
        rows.target[places],
        np.stack([_levelled(held_out[name]) for name in others]),
        rows.codes[places],
        # What happened to all accounts at once is no signal about one.
        strata=None if rows.dates is None else rows.dates[places],
        level=LEVEL,
    )
    return {
        name: (float(value), float(low))
        for name, value, low in zip(others, found.value, found.low, strict=True)
    }


def _tried(
    names: Sequence[str],
    losses: Mapping[str, FloatArray],
    codes: IntArray,
    aucs: Mapping[str, tuple[float, float]],
    *,
    better: Collection[str],
    by_term: bool,
) -> tuple[tuple[Tried, ...], str | None]:
    """Return every candidate's values, and the best one with signal."""
    mean = {name: float(losses[name].mean()) for name in names}
    signal = [
        name
        for name, (_, low) in aucs.items()
        if (name in better and low > 0.5) or (by_term and name == TIMING)
    ]
    if OUTLOOK in signal and GLASS in names:
        gain = losses[GLASS] - losses[OUTLOOK]
        if gain.mean() <= _standard_error(gain, codes):
            signal.remove(OUTLOOK)
    best = min(signal or names, key=mean.__getitem__)
    return (
        tuple(
            Tried(
                name,
                mean[name],
                mean[name] - mean[best],
                _standard_error(losses[name] - losses[best], codes),
                *aucs.get(name, (0.5, 0.5)),
                name in signal,
            )
            for name in names
        ),
        best if signal else None,
    )


def _chosen(tried: Sequence[Tried], best: str | None, on: str) -> tuple[str, str]:
    """Take the best candidate with signal; a custom estimator where it is about as good."""
    by_name = {each.name: each for each in tried}
    if best is None:
        return BASE, _why_none(tried, on)
    lowest, custom = by_name[best], by_name.get(CUSTOM)
    loss = f"log loss {lowest.log_loss:.4f} {on}"
    if best != CUSTOM and custom is not None and custom.has_signal:
        if custom.more_than_best <= custom.standard_error:
            return CUSTOM, (
                f"log loss {custom.log_loss:.4f} {on}; the best, {best}, has "
                f"{lowest.log_loss:.4f}, which is less than one standard error "
                f"({custom.standard_error:.4f}) better"
            )
        return best, f"{loss}; the custom estimator has {custom.log_loss:.4f}"
    rest = [each for each in tried if each.has_signal and each.name != best]
    if not rest:
        return best, f"{loss}; no other candidate is better than chance and the base rate"
    second = min(rest, key=lambda each: each.log_loss)
    return best, f"{loss}, the lowest; the next, {second.name}, has {second.log_loss:.4f}"


def _why_none(tried: Sequence[Tried], on: str) -> str:
    others = [each for each in tried if each.name != BASE]
    if not others:
        return f"no candidate could be compared {on}"
    closest = max(others, key=lambda each: each.auc_low)
    bound = (
        f"the closest, {closest.name}, has an AUC of {closest.auc:.3f} on held-out accounts with "
        f"a lower bound of {closest.auc_low:.3f} among {len(others)}, and a log loss of "
        f"{closest.log_loss:.4f} {on}"
    )
    if closest.auc_low <= 0.5:
        return f"no candidate is better than chance: {bound}"
    return (
        "no candidate that is better than chance has a lower log loss than the base rate on later "
        f"dates: {bound}"
    )


def _standard_error(values: FloatArray, codes: IntArray) -> float:
    """Return the standard error of a mean over rows, whose accounts are independent."""
    difference = np.bincount(
        np.unique(codes, return_inverse=True)[1], weights=values - values.mean()
    )
    n = len(difference)
    return float(np.sqrt(np.square(difference).sum() * n / max(n - 1, 1)) / len(values))
