"""The choice among candidates, by what they predicted for later dates of other accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from models.base.calibration import fit_calibration, row_log_loss
from models.base.inputs import FloatArray, IntArray
from models.churn.candidates import BASE, CUSTOM, GLASS, ORDER, OUTLOOK, Candidates
from models.churn.later_dates import (
    FEWEST_TESTED,
    HeldOut,
    LabelledRows,
    last_before,
    time_parts,
    usable_parts,
)
from models.evaluation.clustered_auc import clustered_aucs

#: Joint confidence of the bounds. Without any signal, one company in forty gets a model, so that
#: of 200 such companies clearly fewer than one in twenty do.
LEVEL = 0.975
#: Rows that candidates are fitted on to be compared; the chosen one is fitted on all.
MOST_ROWS = 20_000


@dataclass(frozen=True)
class Tried:
    """What a candidate predicted for later dates of other accounts.

    Attributes
    ----------
    name : str
    log_loss : float
        After calibration without the row's own account.
    more_than_best, standard_error : float
        The log loss minus that of the best candidate that may be published, and its standard
        error over accounts.
    auc, auc_low : float
        AUC, and its lower 97.5 % bound that holds for all candidates at once.
    has_signal : bool
        The bound is above 0.5, and the log loss below that of the base rate. An outlook must also
        gain more than a standard error over the glass box without it.
    """

    name: str
    log_loss: float
    more_than_best: float
    standard_error: float
    auc: float
    auc_low: float
    has_signal: bool


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
    held_out : mapping of str to HeldOut
        Predictions of every candidate.
    """

    chosen: str
    why: str
    candidates: tuple[Tried, ...] = ()
    accounts: int = 0
    event_accounts: int = 0
    held_out: Mapping[str, HeldOut] = field(default_factory=dict, repr=False, compare=False)

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
    held_out = _held_out(candidates, rows, n_splits, embargo_days, account_folds, seed)
    names = [name for name in ORDER if name in held_out]
    if not names:
        return Choice(BASE, "there are too few rows to compare candidates on")
    places = held_out[names[0]].places
    target, codes = rows.target[places], rows.codes[places]
    accounts, events = len(np.unique(codes)), len(np.unique(codes[target == 1]))
    if events < FEWEST_TESTED or target.all() or names == [BASE]:
        why = f"{events} accounts with the event are too few to compare candidates on"
        return Choice(BASE, why, (), accounts, events, held_out)
    tried, best = _tried(names, held_out, target, codes, seed)
    in_time = not held_out[names[0]].learnt_until.hasnans
    where = f"on {'later dates' if in_time else 'rows'} of held-out accounts"
    if in_time and account_folds < 2:
        where = "on later dates"
    chosen, why = _chosen(tried, best, f"{where} ({events:,} of {accounts:,} with the event)")
    return Choice(chosen, why, tried, accounts, events, held_out)


def _held_out(
    candidates: Candidates,
    rows: LabelledRows,
    n_splits: int,
    embargo_days: float,
    account_folds: int,
    seed: int,
) -> dict[str, HeldOut]:
    """Return the predictions of each candidate that could be fitted in every part."""
    parts = list(usable_parts(rows, time_parts(rows, n_splits, embargo_days, account_folds, seed)))
    if not parts:
        return {}
    found: dict[str, list[FloatArray]] = {}
    level = []
    for number, (train, test) in enumerate(parts):
        known, asked = rows.where(_some_accounts(rows, train, number)), rows.where(test)
        for name, model in candidates.fit_all(known, seed=number):
            frame = candidates.seen(name, asked).frame
            found.setdefault(name, []).append(model.decision_function(frame))
        level.append(np.full(len(test), known.level))
    places = np.concatenate([test for _, test in parts])
    until = [last_before(rows.dates, train, test) for train, test in parts for _ in test]
    learnt_until = pd.DatetimeIndex(until).as_unit("us")
    return {
        name: HeldOut(places, np.concatenate(values), learnt_until, np.concatenate(level))
        for name, values in found.items()
        if len(values) == len(parts)
    }


def _some_accounts(rows: LabelledRows, train: IntArray, seed: int) -> IntArray:
    """Return the rows of as many random accounts as a comparison needs to be clear."""
    if len(train) <= MOST_ROWS:
        return train
    accounts = int(rows.codes.max()) + 1
    place = np.random.default_rng(seed).permutation(accounts)[rows.codes[train]]
    kept = train[place < accounts * MOST_ROWS / len(train)]
    return kept if 0 < rows.target[kept].sum() < len(kept) else train


def _tried(
    names: Sequence[str],
    held_out: Mapping[str, HeldOut],
    target: IntArray,
    codes: IntArray,
    seed: int,
) -> tuple[tuple[Tried, ...], str | None]:
    """Return every candidate's values, and the best one with signal."""
    # The share of events of a part's training rows says nothing about a row of it.
    levelled = {
        name: held_out[name].logit - held_out[name].level + held_out[name].level.mean()
        for name in names
    }
    losses = {
        name: row_log_loss(
            target, fit_calibration(values, target, groups=codes, seed=seed).held_out_logit
        )
        for name, values in levelled.items()
    }
    mean = {name: float(loss.mean()) for name, loss in losses.items()}
    others = [name for name in names if name != BASE]
    scores = np.stack([levelled[name] for name in others])
    aucs = clustered_aucs(target, scores, codes, level=LEVEL)
    low = dict(zip(others, aucs.low, strict=True))
    value = dict(zip(others, aucs.value, strict=True))
    signal = [n for n in others if low[n] > 0.5 and mean[n] < mean.get(BASE, np.inf)]
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
                float(value.get(name, 0.5)),
                float(low.get(name, 0.5)),
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
    closest = max(others, key=lambda each: each.auc_low)
    lacks = (
        "no candidate is better than chance"
        if closest.auc_low <= 0.5
        else "no candidate that is better than chance has a lower log loss than the base rate"
    )
    return (
        f"{lacks} {on}: the closest, {closest.name}, has an AUC of {closest.auc:.3f} with a "
        f"lower bound of {closest.auc_low:.3f} among {len(others)}, and a log loss of "
        f"{closest.log_loss:.4f}"
    )


def _standard_error(values: FloatArray, codes: IntArray) -> float:
    """Return the standard error of a mean over rows, whose accounts are independent."""
    difference = np.bincount(
        np.unique(codes, return_inverse=True)[1], weights=values - values.mean()
    )
    n = len(difference)
    return float(np.sqrt(np.square(difference).sum() * n / max(n - 1, 1)) / len(values))
