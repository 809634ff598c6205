"""Writes eval/testdata/statistics.inc: Student t values, Welch and paired intervals, means and quantiles as SciPy and
NumPy compute them, and error rates of Welch's test by integrals that SciPy's distributions know nothing of.

    python3 tools/golden/statistics.py > eval/testdata/statistics.inc     # SciPy 1.17.1, NumPy 2.4.6
"""

import numpy
import scipy.integrate
import scipy.optimize
import scipy.special
import scipy.stats


def number(x):
    return repr(float(x))


def error_rate(level, n_a, n_b):
    """The largest probability over all ratios of the variances that Welch's one-sided test rejects a true null."""
    a, b = n_a - 1, n_b - 1

    def given_split(angle, share):
        # B = sin(angle)^2 ~ Beta(a / 2, b / 2), as density over the angle; the rest is Student's t with a + b.
        s, c = numpy.sin(angle), numpy.cos(angle)
        density = 2 * s ** (a - 1) * c ** (b - 1) / scipy.special.beta(a / 2, b / 2)
        squared_error = share * s * s / a + (1 - share) * c * c / b
        w = share * s * s / a / squared_error
        t = scipy.stats.t.isf(level, 1 / (w * w / a + (1 - w) ** 2 / b))
        return density * scipy.stats.t.sf(t * numpy.sqrt((a + b) * squared_error), a + b)

    x, weight = numpy.polynomial.legendre.leggauss(400)
    angles, weight = (x + 1) * numpy.pi / 4, weight * numpy.pi / 4

    def rate(log_odds):
        return (weight * given_split(angles, scipy.special.expit(log_odds))).sum()

    grid = numpy.arange(-14, 14, 0.25)
    best = grid[numpy.argmax([rate(g) for g in grid])]
    found = scipy.optimize.minimize_scalar(lambda g: -rate(g), bounds=(best - 0.25, best + 0.25), method="bounded")
    return -found.fun


def power(n_a, n_b, sd_a, sd_b, margin, difference, level):
    """The probability that two one-sided Welch tests at `level` put normal samples within the margin."""
    va, vb = sd_a**2 / n_a, sd_b**2 / n_b
    sigma = numpy.sqrt(va + vb)

    def given_variances(p_b, p_a):  # of the chi-squares, so that their densities are 1
        ea = va * scipy.special.chdtri(n_a - 1, 1 - p_a) / (n_a - 1)
        eb = vb * scipy.special.chdtri(n_b - 1, 1 - p_b) / (n_b - 1)
        half = scipy.stats.t.isf(level, (ea + eb) ** 2 / (ea**2 / (n_a - 1) + eb**2 / (n_b - 1))) * numpy.sqrt(ea + eb)
        normal = scipy.special.ndtr
        room = margin - half
        return numpy.where(room > 0, normal((room - difference) / sigma) - normal((-room - difference) / sigma), 0)

    # The midpoint rule on 1,000 x 1,000: error below 1e-5.
    p = (numpy.arange(1000) + 0.5) / 1000
    return given_variances(p[:, None], p[None, :]).mean()


def main():
    print("// Written by tools/golden/statistics.py with SciPy %s; do not edit." % scipy.__version__)
    print("\n// a, b, x, I_x(a, b)")
    print("constexpr double kIncompleteBeta[][4] = {")
    for a, b in [(0.5, 0.5), (2, 0.5), (0.5, 3.5), (5, 2), (30, 40), (1000, 0.5), (5000, 3000)]:
        for x in [1e-6, 0.1, 0.5, 0.625, 0.9, 1 - 1e-6]:
            print("    {%s, %s, %s, %s}," % tuple(map(number, (a, b, x, scipy.special.betainc(a, b, x)))))
    print("};")

    print("\n// t, df, P(T <= t)")
    print("constexpr double kStudentT[][3] = {")
    for df in [1, 2, 2.5, 4, 7.93, 30, 1000]:
        for t in [-40, -3, -0.5, -1e-3, 0, 1e-2, 0.7, 1.86, 12]:
            print("    {%s, %s, %s}," % tuple(map(number, (t, df, scipy.stats.t.cdf(t, df)))))
    print("};")

    print("\n// p, df, quantile")
    print("constexpr double kStudentTQuantile[][3] = {")
    for df in [1, 1.3, 2, 4, 7.93, 30, 1000]:
        for p in [0.001, 0.05, 0.3, 0.6, 0.95, 0.975, 0.9999]:
            print("    {%s, %s, %s}," % tuple(map(number, (p, df, scipy.stats.t.ppf(p, df)))))
    print("};")

    print("\nstruct WelchCase {\n  std::vector<double> a, b;\n  double difference, low, high, df;  // 90 %\n};")
    print("const WelchCase kWelch[] = {")
    rng = numpy.random.default_rng(1)
    for na, nb, sa, sb in [(5, 5, 1, 1), (3, 5, 10, 0.5), (2, 2, 1, 3), (20, 4, 0.1, 2), (5, 3, 0.01, 1)]:
        a = numpy.round(80 + sa * rng.standard_normal(na), 3)
        b = numpy.round(81 + sb * rng.standard_normal(nb), 3)
        test = scipy.stats.ttest_ind(a, b, equal_var=False)
        interval = test.confidence_interval(0.90)
        print("    {{%s}, {%s}, %s, %s, %s, %s}," % (
            ", ".join(map(number, a)), ", ".join(map(number, b)), number(a.mean() - b.mean()),
            number(interval.low), number(interval.high), number(test.df)))
    print("};")

    print("\n// Paired, 95 %.\nconst WelchCase kPaired[] = {")
    for n in [2, 3, 5, 12]:
        a = numpy.round(80 + 3 * rng.standard_normal(n), 3)
        b = numpy.round(a + 0.5 + rng.standard_normal(n), 3)
        test = scipy.stats.ttest_rel(a, b)
        interval = test.confidence_interval(0.95)
        print("    {{%s}, {%s}, %s, %s, %s, %s}," % (
            ", ".join(map(number, a)), ", ".join(map(number, b)), number((a - b).mean()),
            number(interval.low), number(interval.high), number(test.df)))
    print("};")

    print("\n// scipy.stats.trim_mean(x, 0.25), numpy.quantile(x, 0.025) and 0.7")
    print("struct TrimCase {\n  std::vector<double> x;\n  double iqm, low, high;\n};\nconst TrimCase kTrim[] = {")
    for n in [1, 2, 3, 4, 5, 6, 7, 8, 11, 40]:
        x = numpy.round(80 + 5 * rng.standard_normal(n), 2)
        print("    {{%s}, %s, %s, %s}," % (", ".join(map(number, x)), number(scipy.stats.trim_mean(x, 0.25)),
                                         number(numpy.quantile(x, 0.025)), number(numpy.quantile(x, 0.7))))
    print("};")

    print("\n// level, n_a, n_b, error rate of Welch's test at the worst ratio of variances")
    print("constexpr double kErrorRates[][4] = {")
    for n_a, n_b in [(2, 2), (2, 10), (3, 3), (3, 10), (5, 5), (50, 5), (10, 10), (10, 20), (60, 60), (10, 1000)]:
        for level in [0.4, 0.05, 0.0025, 1e-4]:
            print("    {%s, %d, %d, %s}," % (number(level), n_a, n_b, number(error_rate(level, n_a, n_b))))
    print("};")

    print("\nstruct PowerCase {\n  int64_t n_a, n_b;\n  double sd_a, sd_b, margin, difference;")
    print("  double power;  // where each one-sided test is made at the level that errs in at most 5 %\n};")
    print("const PowerCase kPower[] = {")
    for n_a, n_b, sd_a, sd_b, margin, difference in [
            (5, 5, 1, 1, 2, 0), (5, 5, 1, 1, 2, 2), (3, 10, 1.86, 1, 3, 0), (3, 10, 1.86, 1, 3, -3),
            (10, 3, 0.5, 2, 2, 1), (20, 20, 1, 3, 2, 0.5), (2, 5, 1, 1, 5, 0), (5, 5, 0, 1, 2, 0)]:
        level = scipy.optimize.brentq(lambda x: error_rate(x, n_a, n_b) - 0.05, 1e-3, 0.05)
        print("    {%d, %d, %s, %s, %s, %s, %s}," % (n_a, n_b, *map(number, (
            sd_a, sd_b, margin, difference, power(n_a, n_b, sd_a, sd_b, margin, difference, level)))))
    print("};")


if __name__ == "__main__":
    main()
