"""Writes eval/testdata/statistics.inc: Student t values and Welch and paired intervals as SciPy computes them.

    python3 tools/golden/statistics.py > eval/testdata/statistics.inc     # SciPy 1.17.1, NumPy 2.4.6
"""

import numpy
import scipy.special
import scipy.stats


def number(x):
    return repr(float(x))


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


if __name__ == "__main__":
    main()
