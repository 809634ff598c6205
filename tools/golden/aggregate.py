"""Writes repro/testdata/aggregate.inc: what AggregateJson should say of scores by task and draw.

    python3 tools/golden/aggregate.py > repro/testdata/aggregate.inc     # SciPy 1.17.1, NumPy 2.4.6
    python3 tools/golden/aggregate.py --coverage       # how often 95 % intervals hold the truth, for docs/verdicts.md

Values are SciPy's. Intervals are scipy.stats.bootstrap's: several samples are resampled independently of each other,
which is a stratified bootstrap with a sample a task. Of each end it writes the range in which the end of an interval
from 2,000 replications lies by chance (four standard errors of a share, looked up in 100,000 replications).
"""

import sys

import numpy
import scipy.stats

REPLICATIONS, OURS = 100000, 2000


def number(x):
    return repr(float(x))


def numbers(scores):
    return "{%s}" % ", ".join("{%s}" % ", ".join(map(number, draws)) for draws in scores)


def mean(*tasks):
    return numpy.mean([task.mean(axis=-1) for task in tasks], axis=0)


def iqm(*tasks):
    return scipy.stats.trim_mean(numpy.concatenate(tasks, axis=-1), 0.25, axis=-1)


def improvement(a, b):
    shares = [scipy.stats.mannwhitneyu(x, y).statistic / (x.shape[-1] * y.shape[-1]) for x, y in zip(a, b)]
    return numpy.mean(shares)


def improvements(a, b):
    """The same for many replications at once: axis 0."""
    compared = [numpy.sign(x[..., :, None] - y[..., None, :]) / 2 + 0.5 for x, y in zip(a, b)]
    return numpy.mean([task.mean(axis=(-1, -2)) for task in compared], axis=0)


def ends(statistic, samples):
    """Of the 95 % percentile interval: the range of the lower and that of the upper end."""
    found = scipy.stats.bootstrap(samples, statistic, n_resamples=REPLICATIONS, method="percentile", vectorized=True,
                                  batch=10000, random_state=1)
    slack = 4 * numpy.sqrt(0.025 * 0.975 / OURS)
    shares = [max(0, 0.025 - slack), 0.025 + slack, 0.975 - slack, min(1, 0.975 + slack)]
    return numpy.quantile(found.bootstrap_distribution, shares)


def check(value, statistic, samples):
    return "{%s}" % ", ".join(map(number, [value, *ends(statistic, samples)]))


def coverage():
    """Of a mean over normal scores of spread 1, and of tasks that differ: the share of 95 % intervals that hold it."""
    rng = numpy.random.default_rng(5)
    for tasks, draws in [(2, 3), (8, 3), (2, 5), (8, 5), (8, 10)]:
        hits, tables = 0, 4000
        for _ in range(tables):
            scores = rng.standard_normal((tasks, draws))
            chosen = rng.integers(0, draws, (400, tasks, draws))
            means = numpy.take_along_axis(numpy.broadcast_to(scores, chosen.shape), chosen, 2).mean((1, 2))
            low, high = numpy.quantile(means, [0.025, 0.975])
            hits += low <= 0 <= high
        print("%d tasks, %d draws: %.3f" % (tasks, draws, hits / tables))


def main():
    print("// Written by tools/golden/aggregate.py with SciPy %s; do not edit." % scipy.__version__)
    print("""
// A value, and the ranges of the lower and of the upper end of its interval.
struct Checked {
  double value, low_from, low_to, high_from, high_to;
};
struct AggregateCase {
  std::vector<std::vector<double>> row, to;
  Checked mean, iqm, mean_difference, iqm_difference, improvement;
};
const AggregateCase kAggregates[] = {""")
    rng = numpy.random.default_rng(1)
    for draws in [(5, 5, 5), (10, 10), (3, 5, 8, 4), (5,) * 8]:
        # Draws share their support set, so that both rows move together; rounding makes ties.
        shared = [rng.standard_normal(n) for n in draws]
        tasks = 60 + 30 * rng.random(len(draws))
        row = [numpy.round(t + s + 0.8 * rng.standard_normal(len(s)), 1) for t, s in zip(tasks, shared)]
        to = [numpy.round(t - 0.5 + s + 0.8 * rng.standard_normal(len(s)), 1) for t, s in zip(tasks, shared)]
        # A pair is resampled by the numbers of its draws.
        indices = [numpy.arange(n) for n in draws]

        def of_pair(statistic):
            def resampled(*chosen, axis=-1):
                chosen = [c.astype(int) for c in chosen]
                return statistic([x[c] for x, c in zip(row, chosen)], [y[c] for y, c in zip(to, chosen)])

            return resampled

        print("    {%s,\n     %s," % (numbers(row), numbers(to)))
        print("     %s," % check(mean(*row), lambda *tasks, axis=-1: mean(*tasks), row))
        print("     %s," % check(iqm(*row), lambda *tasks, axis=-1: iqm(*tasks), row))
        print("     %s," % check(mean(*row) - mean(*to), of_pair(lambda a, b: mean(*a) - mean(*b)), indices))
        print("     %s," % check(iqm(*row) - iqm(*to), of_pair(lambda a, b: iqm(*a) - iqm(*b)), indices))
        print("     %s}," % check(improvement(row, to), of_pair(improvements), indices))
    print("};")


if __name__ == "__main__":
    coverage() if "--coverage" in sys.argv else main()
