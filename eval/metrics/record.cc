// ReCoRD's exact match and F1: each question's answer of the highest score (the first one of equals) is compared, as
// text, with all that are right, the best counts, and questions are averaged. Texts are compared as the SQuAD scorer
// does: lower case, without ASCII punctuation, without the words "a", "an" and "the", in words at white space. F1 is
// that of the two bags of words; 0 where they share none, even if both are empty. Degenerate where the scores tell no
// two answers of a question apart, so that the order chose.
#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "eval/metric.h"

namespace gbmoa {
namespace {

using Words = std::vector<icu::UnicodeString>;

// What that scorer, written in Python, takes for white space and for a part of a word: \s and \w.
bool IsSpace(UChar32 c) { return u_isUWhiteSpace(c) || (c >= 0x1c && c <= 0x1f); }
bool IsWordCharacter(UChar32 c) { return (U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_N_MASK)) != 0; }

Words Normalize(const std::string& answer) {
  const icu::UnicodeString text = icu::UnicodeString::fromUTF8(answer).toLower(icu::Locale::getRoot());
  Words words;
  icu::UnicodeString word, run;  // run: of word characters, at the end of what will be the word
  const auto end_word = [&] {
    if (!word.isEmpty()) words.push_back(word);
    word.remove();
  };
  const auto end_run = [&] {
    // An article leaves a space, even if it stood between dashes.
    if (run == u"a" || run == u"an" || run == u"the") {
      end_word();
    } else {
      word += run;
    }
    run.remove();
  };
  for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) {
    const UChar32 c = text.char32At(i);
    if (c < 0x80 && absl::ascii_ispunct(static_cast<unsigned char>(c))) continue;  // "U.S." is "us"
    if (IsWordCharacter(c)) {
      run += c;
      continue;
    }
    end_run();
    if (IsSpace(c)) {
      end_word();
    } else {
      word += c;
    }
  }
  end_run();
  end_word();
  return words;
}

double ExactMatch(const Words& a, const Words& b) { return a == b; }

double WordF1(const Words& a, const Words& b) {
  Words sorted_a = a, sorted_b = b, common;
  std::sort(sorted_a.begin(), sorted_a.end());
  std::sort(sorted_b.begin(), sorted_b.end());
  std::set_intersection(sorted_a.begin(), sorted_a.end(), sorted_b.begin(), sorted_b.end(), std::back_inserter(common));
  return common.empty() ? 0 : 2.0 * static_cast<double>(common.size()) / static_cast<double>(a.size() + b.size());
}

template <double (*kAgreement)(const Words&, const Words&)>
class Record : public Metric {
 public:
  bool reads_scores() const override { return true; }
  bool reads_groups() const override { return true; }
  bool reads_answers() const override { return true; }

  absl::StatusOr<MetricValue> Compute(const MetricInput& input) const override {
    GBMOA_ASSIGN_OR_RETURN(const Choices choices, ChooseAnswers(input));
    if (input.answers.size() != input.gold.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(input.answers.size(), " answers for ", input.gold.size(), " examples"));
    }
    double sum = 0;
    for (size_t q = 0; q < choices.questions.size(); ++q) {
      const Words chosen = Normalize(input.answers[choices.chosen[q]]);
      double best = 0;
      for (size_t i = choices.questions[q].begin; i < choices.questions[q].end; ++i) {
        if (input.gold[i] == 1) best = std::max(best, kAgreement(chosen, Normalize(input.answers[i])));
      }
      sum += best;
    }
    return MetricValue{sum / static_cast<double>(choices.questions.size()), choices.degenerate};
  }
};

GBMOA_REGISTER_METRIC("record_em", Record<ExactMatch>);
GBMOA_REGISTER_METRIC("record_f1", Record<WordF1>);

}  // namespace
}  // namespace gbmoa
