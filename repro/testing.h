// Test-only: a small table and a world of scripted learners, whose results are known by hand.
#ifndef GBMOA_REPRO_TESTING_H_
#define GBMOA_REPRO_TESTING_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "eval/fake_learner.h"
#include "repro/table_runner.h"

namespace gbmoa {

// Three rows (slow; meta, which meta-learns; frozen, the reference), two suites, profile desk with a few-shot part and
// profile big, which is not attempted.
inline std::string TestTableText() {
  return R"pb(
    name: "toy"
    title: "A toy table"
    paper: "Table 0"
    ratio_row: "slow"
    compare_to: "meta"
    columns {
      id: "accuracy"
      title: "Accuracy"
      measure: ACCURACY_PERCENT
      suite: "easy"
      in_paper: true
      margin: 2
      margin_reason: "noise"
      decimals: 1
    }
    columns {
      id: "f1"
      title: "F1"
      measure: MACRO_F1
      suite: "easy"
      in_paper: true
      margin: 0.02
      margin_reason: "noise"
      decimals: 3
    }
    columns {
      id: "adaptation_steps"
      title: "Steps"
      measure: ADAPTATION_STEPS
      suite: "easy"
      in_paper: true
      margin: 1
      margin_reason: "marks"
      decimals: 1
    }
    columns {
      id: "parameters_percent"
      title: "Parameters"
      measure: PARAMETERS_PERCENT
      suite: "easy"
      in_paper: true
      margin: 0.01
      margin_reason: "rounding"
      decimals: 2
    }
    columns {
      id: "wall_seconds"
      title: "Seconds"
      measure: WALL_SECONDS
      suite: "easy"
      in_paper: true
      not_judged: "seconds belong to a machine"
      decimals: 2
    }
    columns {
      id: "wall_ratio"
      title: "Ratio"
      measure: WALL_RATIO
      suite: "easy"
      in_paper: true
      margin: 0.25
      margin_is_relative: true
      margin_reason: "load"
      decimals: 2
    }
    columns {
      id: "accuracy_hard"
      title: "Accuracy, hard"
      measure: ACCURACY_PERCENT
      suite: "hard"
      margin: 2
      margin_reason: "noise"
      decimals: 1
    }
    rows {
      id: "slow"
      method: "slow"
      title: "Slow"
      kind: METHOD
      color: "#0072b2"
      paper { key: "accuracy" value: 84.3 }
      paper { key: "wall_seconds" value: 400 }
    }
    rows {
      id: "meta"
      method: "meta"
      title: "Meta"
      kind: METHOD
      color: "#d55e00"
      paper { key: "accuracy" value: 91.8 }
      paper { key: "wall_seconds" value: 100 }
    }
    rows { id: "frozen" method: "frozen" title: "Frozen" kind: REFERENCE color: "#555555" dashed: true }
    rows { id: "absent" method: "absent" title: "Absent" kind: METHOD }
    profiles {
      name: "desk"
      title: "toy desk"
      data: "Toys."
      backbone: "none."
      not_comparable: "other data"
      suites: "easy"
      suites: "hard"
      draws: 3
      meta_seeds: 1
      shots: 2
      steps: 4
      batch_size: 0
      marks: [ 0, 2, 4 ]
      rows {
        row: "slow"
        options { key: "rate" value: "0.1" }
      }
      rows {
        row: "meta"
        expected { column: "accuracy" mean: 80 sd: 1.5 n: 5 source: "draws 100 to 104" }
        expected { column: "parameters_percent" mean: 10 n: 1 exact: true source: "arithmetic" }
        meta_steps: 20
      }
      rows { row: "frozen" }
      few_shot {
        shots: [ 1, 4 ]
        episodes: 6
        steps: 2
        marks: [ 0, 2 ]
        compare_to: "plain_start"
        starts { id: "meta_start" title: "meta" row: "meta" }
        starts {
          id: "meta_shrunk"
          title: "meta, shrunk"
          row: "meta"
          options { key: "shift_scale" value: "0.3" }
        }
        starts { id: "plain_start" title: "plain" row: "slow" }
        groups { id: "coarse" title: "coarse" families: "sup" }
        groups { id: "pair" title: "pairs" families: "pair" }
      }
      quick {
        draws: 1
        tasks: "e1"
        tasks: "h1"
        shots: 1
        steps: 2
        marks: [ 0, 2 ]
        meta_steps: 2
        few_shot_shots: 1
        few_shot_episodes: 2
        few_shot_steps: 1
        few_shot_marks: [ 0, 1 ]
      }
    }
    profiles {
      name: "big"
      not_attempted { reasons: MISSING_WEIGHTS reasons: HARDWARE why: "no such machine here" }
    }
  )pb";
}

// The toy table with a grid: row slow's learning rate is chosen from three on suite "dev", which has tasks d1 and d2.
inline std::string GridTableText() {
  return absl::StrReplaceAll(TestTableText(),
                             {{"options { key: \"rate\" value: \"0.1\" }",
                               "grid { option: \"learning_rate\" values: \"0.1\" values: \"0.2\" values: \"0.3\" }"},
                              {"      quick {", "      grid { suite: \"dev\" draws: 2 }\n      quick {"}});
}

// The same rows with few-shot columns, whose numbers are known by hand: three repetitions of six episodes.
inline std::string FewShotTableText() {
  return R"pb(
    name: "parts"
    title: "A toy table with few-shot columns"
    paper: "Table 0"
    compare_to: "meta"
    columns {
      id: "accuracy"
      title: "Accuracy"
      measure: ACCURACY_PERCENT
      suite: "easy"
      in_paper: true
      margin: 2
      margin_reason: "noise"
      decimals: 1
    }
    columns {
      id: "four_shot"
      title: "4-shot"
      measure: FEW_SHOT_ACCURACY_PERCENT
      shots: 4
      in_paper: true
      margin: 2
      margin_reason: "noise"
      decimals: 1
    }
    columns {
      id: "pair"
      title: "4-shot, pairs"
      measure: FEW_SHOT_ACCURACY_PERCENT
      shots: 4
      group: "pair"
      not_judged: "a part"
      decimals: 1
    }
    rows {
      id: "slow"
      method: "slow"
      title: "Slow"
      kind: METHOD
      color: "#0072b2"
      paper { key: "four_shot" value: 60 }
    }
    rows {
      id: "meta"
      method: "meta"
      title: "Meta"
      kind: METHOD
      color: "#d55e00"
      paper { key: "four_shot" value: 64.5 }
    }
    rows { id: "frozen" method: "frozen" title: "Frozen" kind: REFERENCE color: "#555555" dashed: true }
    rows { id: "absent" method: "absent" title: "Absent" kind: METHOD }
    profiles {
      name: "desk"
      title: "toy desk"
      data: "Toys."
      backbone: "none."
      suites: "easy"
      draws: 4
      meta_seeds: 3
      shots: 2
      steps: 4
      marks: [ 0, 4 ]
      meta_train_tasks { shapes { ways: 3 shots: 2 } }
      rows {
        row: "slow"
        expected { column: "four_shot" mean: 75 sd: 0 n: 3 episodes: 6 sd_episodes: 4 source: "by hand" }
      }
      rows {
        row: "meta"
        options { key: "seeded" value: "true" }
        options_reason: "none"
        meta_steps: 20
        expected {
          column: "four_shot"
          mean: 80
          sd: 1
          n: 3
          first_meta_seed: 100
          meta_seeds: 3
          first_episode: 600
          episodes: 6
          sd_episodes: 8
          source: "by hand"
        }
      }
      rows { row: "frozen" }
      few_shot {
        shots: 4
        episodes: 6
        steps: 2
        marks: [ 0, 2 ]
        compare_to: "meta"
        groups { id: "coarse" title: "coarse" families: "sup" }
        groups { id: "pair" title: "pairs" families: "pair" }
      }
      quick {
        draws: 1
        tasks: "e1"
        shots: 1
        steps: 2
        marks: [ 0, 2 ]
        meta_steps: 2
        few_shot_shots: 4
        few_shot_episodes: 2
        few_shot_steps: 1
        few_shot_marks: [ 0, 1 ]
      }
    }
  )pb";
}

// What the scripted learners of a world have done, and what they should do.
struct TestWorldState {
  std::atomic<int> adaptations{0}, meta_trainings{0};
  std::function<void()> on_adapt;
  std::map<std::string, absl::Status> errors;       // by method, or by method and learning rate, "slow 0.2"
  std::map<std::string, absl::Status> meta_errors;  // by method
  int slow_diverges_at = -1;
  std::map<std::string, int> development_bonus, bonus;  // right answers more, by learning rate
};

// Tells the order in which it says it visits tasks; with option "seeded" its answers depend on its meta-training.
class TestMetaLearner : public FakeLearner {
 public:
  TestMetaLearner(FakeLearnerScript script, std::shared_ptr<int64_t> seed)
      : FakeLearner(std::move(script)), seed_(std::move(seed)) {}

  absl::Status MetaTrain(const EpisodeSource& tasks, const MetaTrainOptions& options) override {
    if (options.on_order) {
      const absl::Status status = options.on_order({{1, 0, 2}, {0.25, 0.5, 1}});
      if (!status.ok()) return status;
    }
    absl::Status status = FakeLearner::MetaTrain(tasks, options);
    *seed_ = static_cast<int64_t>(options.seed);
    return status;
  }
  absl::Status Load(const std::string& path) override {
    std::ifstream file(path);
    std::string word;
    file >> word >> *seed_;
    return FakeLearner::Load(path);
  }

 private:
  std::shared_ptr<int64_t> seed_;  // the script reads it
};

class TestEpisodes : public EpisodeSource {
 public:
  Episode At(uint64_t position) const override {
    return {absl::StrCat(position % 2 == 0 ? "sup" : "pair", "/2-way"), FakeBatch(4, 2), FakeBatch(20, 2)};
  }
};

constexpr int kDevelopmentMark = 100;

// Tasks e1, e2 ("easy") and h1 ("hard") with 20 test examples of two classes. The support set of draw d carries d. And
// the development tasks d1 and d2 ("dev"), where slow and meta answer 10 + draw rightly, whatever the step.
//   slow    12 right + draw + one a step         4 s    per task 100 %
//   meta    14 right + draw, whatever the step   1 s    per task  10 %
//   frozen  13 right                             0.1 s  nothing
// With the option "seeded" meta answers as many more rightly as the number of its meta-training; with a learning rate
// slow and meta answer as many more as the state says.
inline TableWorld TestWorld(TestWorldState* state) {
  TableWorld world;
  for (const auto& [name, suite] : {std::pair("e1", "easy"), std::pair("e2", "easy"), std::pair("h1", "hard")}) {
    world.tasks.push_back({name, suite, TestSet{FakeBatch(20, 2)},
                           [](int draw, int shots) -> absl::StatusOr<Batch> { return FakeBatch(2 * shots, 2, draw); }});
  }
  for (const char* name : {"d1", "d2"}) {
    world.tasks.push_back(
        {name, "dev", TestSet{FakeBatch(20, 2)},
         [](int draw, int shots) -> absl::StatusOr<Batch> { return FakeBatch(2 * shots, 2, kDevelopmentMark + draw); },
         /*development=*/true});
  }
  world.meta_train_tasks = std::make_shared<TestEpisodes>();
  world.few_shot = [](int shots, int index) -> absl::StatusOr<Episode> {
    Episode episode = TestEpisodes().At(index);
    episode.support_set = FakeBatch(2 * shots, 2, index % 3);
    return episode;
  };
  world.make_learner = [state](const std::string& method,
                               const LearnerOptions& options) -> absl::StatusOr<std::unique_ptr<Learner>> {
    FakeLearnerScript script;
    script.adaptations = &state->adaptations;
    script.meta_trainings = &state->meta_trainings;
    script.on_adapt = state->on_adapt;
    script.error = state->errors[method];
    script.meta_error = state->meta_errors[method];
    const auto draw = [](const Batch& support_set) { return static_cast<int64_t>(support_set.tokens.ids[0]); };
    int bonus = 0, development_bonus = 0;
    if (const auto rate = options.find("learning_rate"); rate != options.end()) {
      bonus = state->bonus[rate->second];
      development_bonus = state->development_bonus[rate->second];
      if (script.error.ok()) script.error = state->errors[absl::StrCat(method, " ", rate->second)];
    }
    // Answers rightly `usual`, or what is said above if it is a development task's support set.
    const auto right = [=](const Batch& support_set, int64_t usual) {
      const int64_t mark = draw(support_set);
      return mark < kDevelopmentMark ? usual + bonus : 10 + mark - kDevelopmentMark + development_bonus;
    };
    if (method == "slow") {
      script.seconds = 4;
      script.parameters = {1000, 10, 0, 1000};
      script.diverges_at = state->slow_diverges_at;
      script.right = [draw, right](int step, const Batch& support_set, uint64_t) {
        return right(support_set, 12 + draw(support_set) + step);
      };
    } else if (method == "meta") {
      script.parameters = {100, 10, 5000, 1000};
      script.meta_learns = true;
      const int more = options.count("shift_scale") > 0 ? 1 : 0;
      const bool seeded = options.count("seeded") > 0;
      const auto seed = std::make_shared<int64_t>(0);
      script.right = [draw, right, more, seeded, seed](int, const Batch& support_set, uint64_t) {
        return right(support_set, 14 + more + draw(support_set) + (seeded ? *seed : 0));
      };
      return std::make_unique<TestMetaLearner>(script, seed);
    } else if (method == "frozen") {
      script.seconds = 0.1;
      script.parameters = {0, 10, 0, 1000};
      script.right = [](int, const Batch&, uint64_t) { return 13; };
    } else {
      return absl::InvalidArgumentError(absl::StrCat("unknown name '", method, "'; known: frozen, meta, slow"));
    }
    return std::make_unique<FakeLearner>(script);
  };
  world.meta_train_names = {"toys/sup", "toys/pair"};
  world.inputs = {{"toys", "00ff"}};
  world.environment = {{"torch", "none"}};
  return world;
}

}  // namespace gbmoa

#endif  // GBMOA_REPRO_TESTING_H_
