"""Writes eval/testdata/metrics.inc: what scikit-learn, SciPy and an own reading of the SuperGLUE scorers make of inputs
that eval/metric_test.cc makes by the same integer recipes.

    python3 -P tools/golden/metrics.py > eval/testdata/metrics.inc    # scikit-learn 1.9.1, SciPy 1.17.1, NumPy 2.4.6

(-P, because a file beside this one has the name of a standard module.)"""

import collections
import decimal
import fractions
import math
import re
import string
import warnings

import numpy
import scipy.stats
import sklearn
import sklearn.metrics


class Stream:
    """Knuth's 64-bit linear congruential generator, its upper 31 bits."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n


def number(x):
    return "kNaN" if math.isnan(x) else repr(float(x))


def quoted(text):
    return '"%s"' % "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else "\\%03o" % b for b in text.encode())


def braces(values):
    return "{%s}" % ", ".join(values)


# ----------------------------------------------------------------------------------------------------------------------
# Classes.


def class_input(seed, n, classes, agree, skew):
    stream = Stream(seed)
    gold, predicted = [], []
    for _ in range(n):
        a, b, c, d = stream.below(100), stream.below(classes), stream.below(100), stream.below(classes)
        gold.append(0 if a < skew else b)
        predicted.append(gold[-1] if c < agree else d)
    return gold, predicted


def class_scores(gold, predicted, classes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f1 = sklearn.metrics.f1_score(gold, predicted, pos_label=1, zero_division=0) if classes == 2 else math.nan
        return (
            sklearn.metrics.accuracy_score(gold, predicted),
            sklearn.metrics.f1_score(gold, predicted, average="macro", zero_division=0),
            f1,
            sklearn.metrics.matthews_corrcoef(gold, predicted),
        )


def print_classes():
    print("\nstruct ClassCase {\n  uint64_t seed;\n  int n, classes, agree, skew;")
    print("  double accuracy, macro_f1, f1, matthews;  // f1: of two classes\n};\nconst ClassCase kClasses[] = {")
    seed = 0
    for n, classes, agree, skew in [
        (1, 2, 50, 0), (2, 2, 0, 0), (3, 2, 50, 0), (17, 2, 60, 0), (400, 2, 80, 0), (400, 2, 0, 0), (400, 2, 97, 0),
        (500, 2, 10, 90), (1000, 2, 70, 60), (2000, 2, 99, 98), (5000, 2, 30, 30), (40000, 2, 85, 26), (2, 3, 50, 0),
        (10, 3, 40, 0), (250, 3, 75, 50), (1000, 3, 0, 0), (9815, 3, 80, 0), (12, 9, 30, 0), (300, 9, 55, 20),
        (500, 50, 60, 0), (3000, 77, 90, 5),
    ]:
        seed += 1
        scores = class_scores(*class_input(seed, n, classes, agree, skew), classes)
        print("    {%s}," % ", ".join(map(str, [seed, n, classes, agree, skew, *map(number, scores)])))
    print("};")


# ----------------------------------------------------------------------------------------------------------------------
# Real values.


def real_input(seed, n, levels, mean, exponent, weight, noise):
    """All products are exact, so that one addition rounds, the same way everywhere."""
    stream = Stream(seed)
    scale = math.ldexp(1.0, exponent)
    x, y = [], []
    for _ in range(n):
        a, b = stream.below(levels), stream.below(levels)
        x.append(mean + scale * a)
        y.append(mean + scale * (weight * a + noise * b))
    return x, y


def exact_correlation(x, y):
    """Of the doubles as they are: big integers until the last division."""
    x, y = ([int(fractions.Fraction(v) * 2**1074) for v in side] for side in (x, y))
    n, sx, sy = len(x), sum(x), sum(y)
    xx = n * sum(v * v for v in x) - sx * sx
    yy = n * sum(v * v for v in y) - sy * sy
    xy = n * sum(v * w for v, w in zip(x, y)) - sx * sy
    with decimal.localcontext(decimal.Context(prec=60, Emax=10**6, Emin=-(10**6))):
        product = decimal.Decimal(xx) * decimal.Decimal(yy)
        return float(decimal.Decimal(xy) / product.sqrt()) if product else math.nan


def scipy_correlations(x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with numpy.errstate(all="ignore"):
            pearson = scipy.stats.pearsonr(x, y).statistic if len(x) > 1 else math.nan
            return float(pearson), float(scipy.stats.spearmanr(x, y).statistic) if len(x) > 1 else math.nan


def print_reals():
    print("\n// *_exact: of the same doubles, in big integers. Where SciPy is further than 5e-13 from it, that is said.")
    print("struct RealCase {\n  uint64_t seed;\n  int n, levels;\n  double mean;\n  int exponent, weight, noise;")
    print("  double pearson, pearson_exact, spearman, spearman_exact;\n};\nconst RealCase kReals[] = {")
    seed = 100
    for n, levels, mean, exponent, weight, noise in [
        (2, 1000, 0, -4, 1, 1), (3, 1000, 0, -4, 1, 1), (5, 3, 0, 0, 1, 1), (20, 1 << 20, 0, -20, 1, 1),
        (20, 1 << 20, 0, -20, -1, 1), (1500, 26, 0, -3, 2, 1), (1500, 1 << 20, 2, -18, 3, 1), (1500, 2, 0, 0, 1, 1),
        (1000, 1 << 20, 0, -20, 0, 1), (1000, 1 << 10, 0, -10, 1, 0), (1000, 1 << 10, 0, -10, -3, 0),
        (1000, 1 << 20, 0, -20, 1000, 1), (10000, 1 << 20, 0, -20, 1, 2),
        (30, 1 << 10, 1e6, -19, 1, 1), (1000, 1 << 10, 1e6, -19, 1, 1), (1500, 1 << 10, -1e6, -19, -2, 1),
        (10000, 1 << 10, 1e6, -19, 0, 1), (1000, 1 << 10, 1e9, -19, 1, 1), (1000, 16, 1e12, -13, 1, 1),
        (1000, 3, 2**52, 0, 1, 1), (50, 1 << 20, 0, 1000, 1, 1), (50, 1 << 20, 0, 480, -1, 1),
        (50, 1 << 20, 0, -560, 1, 1), (50, 1 << 10, 0, -1070, 1, 1), (1000, 1 << 20, 1, -1060, 1, 1),
    ]:
        seed += 1
        x, y = real_input(seed, n, levels, mean, exponent, weight, noise)
        pearson, spearman = scipy_correlations(x, y)
        exact = exact_correlation(x, y)
        ranks = [scipy.stats.rankdata(side) for side in (x, y)]
        values = [pearson, exact, spearman, exact_correlation(*ranks)]
        print("    {%s}," % ", ".join(
            map(str, [seed, n, levels, number(mean), exponent, weight, noise, *map(number, values)])), end="")
        off = abs(pearson - exact)
        print("" if off < 5e-13 or math.isnan(exact) else "  // SciPy's Pearson is off by %.1g" % off)
    print("};")


# ----------------------------------------------------------------------------------------------------------------------
# Both, where formulas end. A library's NaN is written as 0 and makes the case degenerate.


def print_degenerate():
    print("\n// What has no value is 0; then and where scikit-learn warns, the metric is degenerate.")
    print("struct EdgeCase {\n  std::vector<double> gold, predicted;  // of two classes")
    print("  MetricValue f1, matthews, pearson, spearman;\n};\nconst EdgeCase kEdges[] = {")
    for gold, predicted in [
        ([0], [0]), ([1], [1]), ([0], [1]), ([1], [0]), ([0, 0], [0, 0]), ([1, 1], [1, 1]), ([0, 1], [0, 0]),
        ([0, 1], [1, 1]), ([0, 0], [0, 1]), ([1, 1], [0, 1]), ([0, 1], [0, 1]), ([0, 1], [1, 0]),
        ([0, 0, 0, 1], [0, 0, 1, 0]), ([1, 1, 0, 1], [1, 1, 1, 1]), ([0, 0, 1, 1], [0, 1, 0, 1]),
    ]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            f1 = sklearn.metrics.f1_score(gold, predicted)
        f1_warns = any(w.category is sklearn.exceptions.UndefinedMetricWarning for w in caught)
        f1_flag = f1_warns or not any(gold) or not any(predicted)
        constant = len(set(gold)) == 1 or len(set(predicted)) == 1
        matthews = class_scores(gold, predicted, 2)[3]
        assert not constant or math.isnan(matthews) or matthews == 0, (gold, predicted, matthews)
        values = [(f1, f1_flag), (0.0 if constant else matthews, constant)]
        for value in scipy_correlations(gold, predicted):
            values.append((0.0, True) if math.isnan(value) else (value, False))
        print("    {%s, %s, %s}," % (
            braces(map(str, gold)), braces(map(str, predicted)),
            ", ".join("{%s, %s}" % (number(v), str(bool(flag)).lower()) for v, flag in values)))
    print("};")


# ----------------------------------------------------------------------------------------------------------------------
# Questions with several answers, as the scorers of MultiRC and ReCoRD define their numbers.

WORDS = [
    "The", "a", "an", "the", "A", "U.S.", "US", "Paris", "paris", "PARIS,", "(IBM)", "ibm", "New-York", "new", "York's",
    "yorks", "\u00c9lan", "\u00e9lan", "\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2", "\u0130stanbul",
    "the\u2013a\u2013b", "a\u0301", "\u4e2d\u6587", "_an_", "--", "3", "\u00a0",
]


def normalized(answer):
    no_punctuation = "".join(c for c in answer.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", no_punctuation).split())


def exact_match(predicted, right):
    return float(normalized(predicted) == normalized(right))


def token_f1(predicted, right):
    predicted, right = normalized(predicted).split(), normalized(right).split()
    common = sum((collections.Counter(predicted) & collections.Counter(right)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(predicted), common / len(right)
    return 2 * precision * recall / (precision + recall)


def question_input(seed, questions, most, share, agree, levels, one_right):
    stream = Stream(seed)
    result = []
    for _ in range(questions):
        size = 1 + stream.below(most)
        right = stream.below(size)
        answers = []
        for i in range(size):
            gold = int(stream.below(100) < share or (one_right == 1 and i == right))
            predicted = gold if stream.below(100) < agree else 1 - gold
            score = (stream.below(levels) + gold * (levels // 4)) / 1024
            text = " ".join(WORDS[stream.below(len(WORDS))] for _ in range(1 + stream.below(4)))
            answers.append((gold, predicted, score, text))
        result.append(answers)
    return result


def question_scores(questions, one_right):
    every = [answer for answers in questions for answer in answers]
    f1a = sklearn.metrics.f1_score([a[0] for a in every], [a[1] for a in every], zero_division=0)
    em = numpy.mean([all(gold == predicted for gold, predicted, _, _ in answers) for answers in questions])
    if not one_right:
        return f1a, em, math.nan, math.nan, math.nan
    chosen = [answers[int(numpy.argmax([a[2] for a in answers]))] for answers in questions]
    best = lambda agreement: numpy.mean([
        max(agreement(choice[3], a[3]) for a in answers if a[0]) for choice, answers in zip(chosen, questions)])
    return f1a, em, numpy.mean([c[0] for c in chosen]), best(exact_match), best(token_f1)


def print_questions():
    print("\nconst char* const kWords[] = %s;" % braces(map(quoted, WORDS)))
    print("\nstruct QuestionCase {\n  uint64_t seed;\n  int questions, most, share, agree, levels, one_right;")
    print("  double multirc_f1a, multirc_em, group_accuracy, record_em, record_f1;\n};")
    print("const QuestionCase kQuestions[] = {")
    seed = 200
    for case in [(1, 1, 0, 100, 8, 1), (5, 2, 0, 70, 1024, 1), (100, 2, 0, 0, 1024, 1), (300, 6, 40, 80, 1024, 1),
                 (300, 6, 40, 80, 8, 1), (200, 12, 10, 95, 1 << 20, 1), (300, 6, 30, 80, 8, 0), (50, 4, 0, 60, 8, 0)]:
        seed += 1
        scores = question_scores(question_input(seed, *case), case[-1])
        print("    {%s}," % ", ".join(map(str, [seed, *case, *map(number, scores)])))
    print("};")
    print("\nstruct AnswerCase {\n  const char *predicted, *right;\n  double em, f1;\n};\nconst AnswerCase kAnswers[] = {")
    for predicted, right in [
        ("The Hague", "hague"), ("Barack Obama", "Obama"), ("the", ""), ("the", "a"), ("", ""), ("A.", "b"),
        ("U.S.", "US"), ("u s", "US"), ("New  York\tCity", " new york city "), ("to be or not to be", "to be"),
        ("theater", "theatre"), ("x\u2013a\u2013y", "x\u2013 \u2013y"), ("Caf\u00c9", "caf\u00e9"),
        ("\u0391\u03a3. \u0391\u03a3", "\u03b1\u03c2 \u03b1\u03c2"), ("\u0391\u03a3", "\u03b1\u03c3"),
        ("\u0130", "i\u0307"), ("\u00df", "SS"), ("a\u0301", "\u0301"), ("a\u00e9", "a \u00e9"), ("1\u00bda", "1\u00bd"),
        ("a\u3000b", "b"), ("b\u001cc", "b c"), ("b\u200bc", "b c"), ("b\u00a0the\u2003c", "B C"), ("_a_", ""),
        ("don't", "dont"), ("\u201cquoted\u201d", "quoted"), ("$5", "5"), ("5%", "5 %"), ("an an an", "b"),
        ("\U0001d400 the", "\U0001d400"), ("\U00010400", "\U00010428"),
    ]:
        print("    {%s, %s, %s, %s}," % (quoted(predicted), quoted(right), number(exact_match(predicted, right)),
                                         number(token_f1(predicted, right))))
    print("};")


def main():
    print("// Written by tools/golden/metrics.py with scikit-learn %s and SciPy %s; do not edit." % (
        sklearn.__version__, scipy.__version__))
    print("\nconstexpr double kNaN = std::numeric_limits<double>::quiet_NaN();")
    print_classes()
    print_reals()
    print_degenerate()
    print_questions()


if __name__ == "__main__":
    main()
