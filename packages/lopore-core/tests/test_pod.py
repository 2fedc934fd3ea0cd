"""Probability of detection: published values, other libraries' fits, bounds that hold, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made.commands import lopore, refused
from scipy.special import expit

from lopore.metrics.binomial import exact_share, share_at_least, trials_needed
from lopore.metrics.pod.hit_miss import LEAST_MARKS, fit_candidates, hit_miss_study, models_alike
from lopore.metrics.pod.likelihood import Trials, fit_hit_miss
from lopore.metrics.pod.links import LINKS
from lopore.metrics.pod.signal_fit import Signals, fit_signals
from lopore.metrics.pod.signal_response import signal_study
from lopore.metrics.pod.size_bounds import crossing, upper_size

TRUE = (2.81002, 2.93219)  # of logit POD over ln size; the true a90 is 0.812


@pytest.fixture
def published(shared_data) -> dict[str, dict[str, object]]:
    return json.loads((shared_data / "statistics" / "vectors.json").read_text(encoding="utf-8"))


def made_marks(count: int, seed: int, films: int = 0, between: float = 0.0) -> tuple[np.ndarray, ...]:
    """Sizes log-uniform from 0.1 to 2.5 mm, hits by TRUE, moved for each film by a normal draw."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(np.log(0.1), np.log(2.5), count)
    film = np.arange(count) % films if films else np.arange(count)
    moved = between * rng.normal(size=int(film.max()) + 1)[film]
    return np.exp(x), (rng.random(count) < expit(TRUE[0] + TRUE[1] * x + moved)).astype(int), film


def test_logit_and_firth_equal_the_published_values_to_six_digits(published):
    """PODv4.5 of the Air Force Research Laboratory, its example of 60 flaws."""
    case = published["hitmiss_afrl_good1"]
    trials = Trials(np.array(case["a"]), np.array(case["hit"], float))
    fit = fit_hit_miss(trials, LINKS["logit"])
    want = case["published_logit"]
    assert fit.beta == pytest.approx([want["intercept"], want["slope"]], rel=1e-6)
    assert fit.aic == pytest.approx(want["AIC"], rel=1e-6)
    assert fit.size_at(0.9) == pytest.approx(want["a90"], rel=1e-6)
    firth = fit_hit_miss(trials, LINKS["logit"], firth=True)
    want = case["published_firth"]
    assert firth.beta == pytest.approx([want["intercept"], want["slope"]], rel=1e-6)
    assert firth.size_at(0.9) == pytest.approx(want["a90"], rel=1e-6)
    assert upper_size(firth, 0.9, "pointwise") == pytest.approx(want["a90_95"], rel=1e-3)  # published on a grid


def test_the_bounds_equal_the_computed_values(published):
    case = published["hitmiss_afrl_good1"]
    ours = case["ours"]
    linear = fit_hit_miss(Trials(np.array(case["a"]), np.array(case["hit"], float)), LINKS["logit"])
    log = fit_hit_miss(Trials(np.log(case["a"]), np.array(case["hit"], float)), LINKS["logit"])
    assert linear.size_at(0.5) == pytest.approx(ours["a50"], abs=1e-6)
    assert upper_size(linear, 0.9, "pointwise") == pytest.approx(ours["a90_95_pointwise_exact_root"], abs=1e-6)
    assert upper_size(linear, 0.9, "likelihood ratio") == pytest.approx(ours["a90_95_likelihood_ratio"], abs=1e-6)
    assert np.exp(log.size_at(0.9)) == pytest.approx(ours["ln_a"]["a90"], abs=1e-6)
    assert np.exp(upper_size(log, 0.9, "pointwise")) == pytest.approx(ours["ln_a"]["pointwise"], abs=1e-5)
    assert np.exp(upper_size(log, 0.9, "likelihood ratio")) == pytest.approx(ours["ln_a"]["LR"], abs=1e-6)


@pytest.mark.parametrize("name", ["logit", "probit", "cloglog"])
def test_every_link_equals_statsmodels(name):
    import statsmodels.api as sm

    size, hit, _ = made_marks(90, seed=3)
    links = {"logit": sm.families.links.Logit, "probit": sm.families.links.Probit, "cloglog": sm.families.links.CLogLog}
    want = sm.GLM(hit, sm.add_constant(np.log(size)), family=sm.families.Binomial(links[name]())).fit(tol=1e-12)
    fit = fit_hit_miss(Trials(np.log(size), hit.astype(float)), LINKS[name])
    assert fit.converged
    assert fit.beta == pytest.approx(want.params, rel=1e-5)
    assert fit.aic == pytest.approx(want.aic, rel=1e-8)
    assert fit.covariance == pytest.approx(want.cov_params(), rel=1e-4)


@pytest.mark.filterwarnings("ignore:Step-halving failed")  # of the reference
def test_firth_under_separation_equals_firthmodels():
    from firthmodels import FirthLogisticRegression

    size = np.linspace(0.1, 3, 40)
    hit = (size > 1.2).astype(float)
    trials = Trials(size, hit)
    assert trials.separated
    fit = fit_hit_miss(trials, LINKS["logit"], firth=True)
    want = FirthLogisticRegression(gtol=1e-9, xtol=1e-9, max_iter=500).fit(size[:, None], hit.astype(int))
    assert fit.beta == pytest.approx([float(want.intercept_), float(want.coef_[0])], rel=1e-4)


def test_separated_marks_keep_a_finite_bound_and_say_how():
    size = np.linspace(0.1, 3, 60)
    study = hit_miss_study(size, size > 1.2)
    assert study.a90_95 is not None
    assert study.a90 < study.a90_95 <= 3
    assert "Firth" in study.method
    assert any("parts all misses from all hits" in note for note in study.notes)


def test_the_choice_by_aic_is_shown_and_bounds_cover_the_models_that_fit_alike():
    size, hit, _ = made_marks(90, seed=5)
    study = hit_miss_study(size, hit)
    assert len(study.models) == 6
    assert [model.aic for model in study.models] == sorted(model.aic for model in study.models)
    alone = hit_miss_study(size, hit, link=study.models[0].link, scale=study.models[0].scale)
    assert study.like > 1
    assert study.a90_95 >= alone.a90_95 == pytest.approx(study.other_bounds["modified root"])


def test_the_curve_rises_and_its_bound_lies_under_it():
    size, hit, _ = made_marks(120, seed=6)
    study = hit_miss_study(size, hit)
    pods = [point.pod for point in study.curve]
    assert pods == sorted(pods)
    assert all(point.low <= point.pod for point in study.curve)
    assert all(level.upper is None or level.upper >= level.size for level in study.levels)


def test_films_as_clusters_widen_the_bound_and_films_of_one_mark_change_nothing():
    size, hit, film = made_marks(160, seed=7, films=16, between=1.5)
    alone, together = hit_miss_study(size, hit), hit_miss_study(size, hit, film)
    assert together.films == 16
    assert together.a90 == alone.a90
    assert together.levels[5].upper > alone.levels[5].upper
    assert hit_miss_study(size, hit, np.arange(160)).films == 0


@pytest.mark.parametrize(
    ("films", "between", "studies"), [(0, 0.0, 40), (20, 1.5, 40)], ids=["independent marks", "films as clusters"]
)
def test_the_bound_lies_over_the_true_size_in_about_95_of_100_studies(films, between, studies):
    """benchmarks/simulate_pod.py runs thousands. Of 40 studies 33 or more hold in 999 of 1000, where 95 % do."""
    from scipy.optimize import brentq

    draws = between * np.random.default_rng(0).normal(size=4001)
    truth = np.exp(brentq(lambda x: expit(TRUE[0] + TRUE[1] * x + draws).mean() - 0.9, -3, 5))
    held = 0
    for seed in range(studies):
        size, hit, film = made_marks(60, seed=100 + seed, films=films, between=between)
        candidates = fit_candidates(size, hit.astype(float), film if films else None)
        bounds = [
            (scale, upper_size(fit, 0.9, "likelihood ratio" if fit.firth else "modified root"))
            for scale, fit in models_alike(candidates)
        ]
        held += any(bound is None or (np.exp(bound) if scale == "ln" else bound) >= truth for scale, bound in bounds)
    assert held >= 33


def test_a_search_that_answers_otherwise_the_second_time_still_ends():
    asked: list[float] = []

    def excess(x: float) -> float:
        asked.append(x)
        return x - 1.0 if asked.count(x) == 1 else -1.0

    assert crossing(excess, 0.0, 0.3) == pytest.approx(1.0)
    assert crossing(lambda x: float("nan"), 0.0, 0.3) is None


REFUSALS = {
    "few marks": (np.linspace(0.1, 2, 12), [0] * 6 + [1] * 6, None, f"at least {LEAST_MARKS}"),
    "no miss": (np.linspace(0.1, 2, 60), [1] * 60, None, "no miss"),
    "no hit": (np.linspace(0.1, 2, 60), [0] * 60, None, "no hit"),
    "one size": (np.full(60, 0.4), [0, 1] * 30, None, "1 sizes"),
    "few misses": (np.linspace(0.1, 2, 60), [0, 0] + [1] * 58, None, "2 misses"),
    "few films": (np.linspace(0.1, 2, 60), [0] * 25 + [1, 0] * 5 + [1] * 25, np.arange(60) % 3, "3 films"),
    "falling": (np.linspace(0.1, 2, 60), [1] * 25 + [1, 0] * 5 + [0] * 25, None, "do not rise"),
    "unrelated": (np.linspace(0.1, 2, 60), [1, 0] * 30, None, "do not rise"),
    "rise and fall": (np.linspace(0.1, 2, 90), [0] * 30 + [1] * 30 + [0] * 30, None, "rise"),
    "ceiling": (np.linspace(0.1, 2, 200), [0] * 50 + [1, 1, 0] * 50, None, "does not rise to 1"),
    "floor": (np.linspace(0.1, 2, 200), [1, 0, 0] * 40 + [1] * 80, None, "does not fall to 0"),
    "too small flaws": (np.linspace(0.1, 0.3, 60), ([0] * 4 + [1]) * 8 + [0, 1] * 10, None, "larger flaws"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_data_that_carry_no_a90_95_are_refused_with_what_is_missing(name):
    size, hit, films, told = REFUSALS[name]
    study = hit_miss_study(size, hit, films)
    assert study.a90_95 is None
    assert told in " ".join(refusal.text for refusal in study.refusals)


def test_ties_of_size_and_unequal_scale_change_nothing_but_the_unit():
    size = np.repeat(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.2, 1.6, 2.0]), 8)
    hit = np.concatenate([np.arange(8) < round(8 * expit(2.8 + 2.9 * np.log(a))) for a in size[::8]])
    mm, um = hit_miss_study(size, hit), hit_miss_study(size * 1000, hit)
    assert um.a90_95 == pytest.approx(1000 * mm.a90_95, rel=1e-6)
    assert um.models[0].title == mm.models[0].title


def test_exact_bounds_are_clopper_and_pearsons(published):
    needed = published["recall_contract"]["recall_ge_0.95_at_95pc"]
    assert [trials_needed(0.95, failures=k) for k in range(3)] == [needed[f"{k}_missed"] for k in range(3)]
    for name, bound in published["recall_contract"]["lower_bounds"].items():
        found, all_of_them = map(int, name.split("/"))
        assert share_at_least(found, all_of_them) == pytest.approx(bound, abs=1e-5)
    assert trials_needed(0.99) == 299
    assert exact_share(0, 0).value is None
    assert exact_share(0, 10).low == 0


def made_signals(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    size = np.exp(rng.uniform(np.log(0.1), np.log(3), count))
    return size, np.exp(3 + 1.1 * np.log(size) + 0.3 * rng.normal(size=count))


def test_signals_without_censoring_are_a_straight_line_fit():
    import statsmodels.api as sm

    size, signal = made_signals(80, seed=1)
    none = np.zeros(80, bool)
    fit = fit_signals(Signals(np.log(size), np.log(signal), none, none, None))
    want = sm.OLS(np.log(signal), sm.add_constant(np.log(size))).fit()
    assert fit.theta[:2] == pytest.approx(want.params, rel=1e-5)
    assert np.exp(fit.theta[2]) == pytest.approx(np.sqrt(want.ssr / 80), rel=1e-5)


def test_signals_state_a90_95_and_noise_is_censored():
    size, signal = made_signals(120, seed=2)
    true_a90 = np.exp((np.log(10) - 3 + 1.2816 * 0.3) / 1.1)
    held = np.maximum(signal, 4.0)
    study = signal_study(size, held, 10.0, floor=4.0, sound_signals=[2, 3, 12])
    assert study.models[0].title == "normal scatter, ln size, ln response"
    assert study.a90 == pytest.approx(true_a90, rel=0.12)
    assert study.a90 < study.a90_95 < 1.3 * true_a90
    assert study.false_calls.calls == 1
    assert any("censored" in note for note in study.notes)


def test_signals_that_fit_no_straight_line_are_refused():
    size, signal = made_signals(120, seed=3)
    assert "does not rise" in signal_study(size, signal[::-1].copy(), 10.0).refusals[0].text
    assert signal_study(size[:10], signal[:10], 10.0).a90_95 is None
    assert "noise floor" in signal_study(size, signal, 3.0, floor=4.0).refusals[0].text


@pytest.fixture
def table(tmp_path) -> Path:
    size, hit, film = made_marks(120, seed=11, films=30)
    path = tmp_path / "flaws.csv"
    lines = [f"{a:.4f},{h},F{f}" for a, h, f in zip(size, hit, film, strict=True)]
    path.write_text("\n".join(["size_mm,hit,film", *lines, ",0,F1", ",1,F2", ",0,F3"]), encoding="utf-8")
    return path


def test_the_command_states_a_table_of_anyone_and_draws_it(table, tmp_path):
    done = lopore("pod", table, "--group", "film", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "a90/95" in done.stdout
    assert "1 of 3 places" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"pod.json", "pod.svg", "pod.png"}
    study = json.loads(lopore("pod", table, "--group", "film", "--json").stdout)
    assert study["films"] == 30
    assert study == json.loads((tmp_path / "out/pod.json").read_text(encoding="utf-8"))


def test_a_spreadsheet_with_semicolons_and_decimal_commas_reads_alike(table, tmp_path):
    other = tmp_path / "other.csv"
    text = table.read_text(encoding="utf-8").replace(",", ";").replace(".", ",").replace(";1;", ";yes;")
    other.write_text(text, encoding="utf-16")
    one, two = (json.loads(lopore("pod", path, "--json").stdout) for path in (table, other))
    assert one == two


def test_what_cannot_be_read_is_named_by_its_line(table, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("size_mm,hit\n0.4,1\n-1,0\n0.5,maybe\n", encoding="utf-8")
    refused(lopore("pod", bad), "line 3", "line 4", "maybe")
    refused(lopore("pod", table, "--size", "sizemm"), "no column 'sizemm'", "size_mm")
    refused(lopore("pod", tmp_path / "none.csv"), "none.csv")
    refused(lopore("pod", table, "--signal", "hit"), "--decision")


def test_a_refusal_is_an_answer_with_its_own_exit_status(tmp_path):
    path = tmp_path / "few.csv"
    path.write_text("size_mm,hit\n0.4,1\n0.2,0\n", encoding="utf-8")
    done = lopore("pod", path, "--out", tmp_path / "out")
    assert done.exit_code == 3
    assert "There are 2 marks" in done.stdout
    assert (tmp_path / "out/pod.png").stat().st_size > 1000
