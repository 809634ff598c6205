// Compares learners with given options on few-shot episodes of the validation split: how the settings of a profile were
// chosen, and how to choose them again. Prints accuracy by shots, group of families and step, and the paired difference
// to the first learner.
//
//   bazel run //repro:study -- --learners='frozen_prototypes|adapter_tuning:learning_rate=3e-4|gbmoa:outer_rate=1e-4'
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <thread>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "eval/harness.h"
#include "eval/statistics.h"
#include "gbmoa/base/exit_codes.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/threads.h"
#include "repro/desk_world.h"
#include "repro/meta_key.h"
#include "repro/table.h"

ABSL_FLAG(std::string, learners, "frozen_prototypes|adapter_tuning|gbmoa",
          "learners to compare, separated by |, each NAME or NAME:option=value,option=value");
ABSL_FLAG(std::vector<std::string>, shots, std::vector<std::string>({"1", "5"}), "examples a class");
ABSL_FLAG(int, episodes, 36, "episodes for each number of shots");
ABSL_FLAG(std::vector<std::string>, marks, std::vector<std::string>({"0", "5", "20"}),
          "steps at which accuracy is taken");
ABSL_FLAG(int, batch_size, 0, "examples a step; 0: the whole support set");
ABSL_FLAG(int, seed, 0, "of meta-training");
ABSL_FLAG(std::vector<std::string>, train_shapes, {},
          "ways x shots of meta-training episodes, as 3x2,5x2; empty: the default");
ABSL_FLAG(int, train_query, 0, "queries a class of meta-training episodes; 0: the default");
ABSL_FLAG(int, train_pair_shots, 0, "examples a class of meta-training episodes of pairs; 0: the default");
ABSL_FLAG(int, train_pair_query, 0, "queries a class of meta-training episodes of pairs; 0: the default");
ABSL_FLAG(int, threads, 2, "workers");
ABSL_FLAG(bool, tasks, false, "the validation tasks with 16 shots and 3 draws instead of few-shot episodes");
ABSL_FLAG(std::string, cache, "", "folder for meta-trained states, by learner, options and seed; empty: none");

namespace gbmoa {
namespace {

struct Spec {
  std::string text, method;
  LearnerOptions options;
  std::unique_ptr<Learner> learner;
  std::string meta_training;  // what it took; empty: none
};

// One unit of evaluation: a support set, a query set, and the group it is reported in.
struct Unit {
  std::string section, group;
  Episode episode;
  uint64_t seed = 0;
};

absl::StatusOr<Spec> ParseSpec(const std::string& text) {
  Spec spec;
  spec.text = text;
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  spec.method = parts[0];
  if (parts.size() == 1) return spec;
  for (const absl::string_view option : absl::StrSplit(parts[1], ',')) {
    const std::vector<std::string> pair = absl::StrSplit(option, absl::MaxSplits('=', 1));
    if (pair.size() != 2) return absl::InvalidArgumentError(absl::StrCat("'", option, "' is not option=value"));
    spec.options[pair[0]] = pair[1];
  }
  return spec;
}

absl::StatusOr<MetaTrainTasks> TrainTasks() {
  MetaTrainTasks tasks;
  for (const std::string& text : absl::GetFlag(FLAGS_train_shapes)) {
    const std::vector<std::string> parts = absl::StrSplit(text, 'x');
    int ways = 0, shots = 0;
    if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &ways) || !absl::SimpleAtoi(parts[1], &shots)) {
      return absl::InvalidArgumentError(absl::StrCat("--train_shapes: '", text, "' is not WAYSxSHOTS"));
    }
    MetaTrainTasks::Shape* shape = tasks.add_shapes();
    shape->set_ways(ways);
    shape->set_shots(shots);
  }
  for (const int value : {absl::GetFlag(FLAGS_train_query), absl::GetFlag(FLAGS_train_pair_shots),
                          absl::GetFlag(FLAGS_train_pair_query)}) {
    if (value < 0)
      return absl::InvalidArgumentError(
          absl::StrCat("--train_query, --train_pair_shots, --train_pair_query: ", value, " is negative"));
  }
  tasks.set_query_per_class(absl::GetFlag(FLAGS_train_query));
  tasks.set_pair_shots(absl::GetFlag(FLAGS_train_pair_shots));
  tasks.set_pair_query_per_class(absl::GetFlag(FLAGS_train_pair_query));
  return tasks;
}

// Effects of meta-training have opposite signs in these.
std::string GroupOf(const std::string& task) {
  const std::string family = task.substr(0, task.find_first_of("/:"));
  if (family == "glossmatch" || family == "hyper") return "pair";
  return family == "sub" ? "sub" : "coarse";
}

absl::Status MetaTrain(Spec& spec, const TableWorld& world, const MetaTrainTasks& tasks) {
  if (!spec.learner->meta_learns()) return absl::OkStatus();
  // A state must not outlive the program, the encoder or the data that made it.
  GBMOA_ASSIGN_OR_RETURN(std::string outside, Sha256HexOfFile("/proc/self/exe"));
  for (const auto& [name, sha256] : world.inputs) absl::StrAppend(&outside, "\n", name, " ", sha256);
  const std::string key =
      MetaTrainingKey(outside, MetaTrainTasksText(tasks), spec.method, spec.options, -1, absl::GetFlag(FLAGS_seed));
  const std::string cache = absl::GetFlag(FLAGS_cache).empty() ? "" : UserPath(absl::GetFlag(FLAGS_cache));
  const std::string path = JoinPath(cache, key + ".safetensors");
  if (!cache.empty() && FileExists(path)) {
    spec.meta_training = "kept";
    return spec.learner->Load(path);
  }
  MetaTrainOptions options;
  options.seed = absl::GetFlag(FLAGS_seed);
  const absl::Time start = absl::Now();
  double sum = 0;
  int64_t count = 0;
  size_t visited = 0;
  options.on_order = [&](const TaskOrder& order) -> absl::Status {
    visited = order.positions.size();
    return absl::OkStatus();
  };
  options.on_step = [&](const MetaTrainProgress& progress) -> absl::Status {
    sum += progress.query_loss;
    ++count;
    if (progress.step % std::max<int64_t>(1, progress.steps / 10) == 0) {
      std::cerr << absl::StrFormat("%s: step %d of %d, query loss %.4f, %.1f s; %s\n", spec.text, progress.step,
                                   progress.steps, sum / static_cast<double>(count),
                                   absl::ToDoubleSeconds(absl::Now() - start), progress.detail);
      sum = 0;
      count = 0;
    }
    return absl::OkStatus();
  };
  GBMOA_RETURN_IF_ERROR(spec.learner->MetaTrain(*world.meta_train_tasks, options));
  spec.meta_training = absl::StrFormat("%d tasks in %.1f s", visited, absl::ToDoubleSeconds(absl::Now() - start));
  if (cache.empty()) return absl::OkStatus();
  return spec.learner->Save(path);
}

// Runs fn(0) ... fn(count - 1) on the workers; the first error ends it.
absl::Status ForEachOnWorkers(int64_t count, const std::function<absl::Status(int64_t)>& fn) {
  std::atomic<int64_t> next{0};
  std::vector<absl::Status> statuses(absl::GetFlag(FLAGS_threads));
  std::vector<std::thread> workers;
  for (absl::Status& status : statuses) {
    workers.emplace_back([&] {
      SetIntraOpThreads(1);
      for (int64_t i = next++; i < count && status.ok(); i = next++) status = fn(i);
    });
  }
  for (std::thread& worker : workers) worker.join();
  for (const absl::Status& status : statuses) GBMOA_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

absl::Status Run() {
  std::vector<Spec> specs;
  for (const absl::string_view text : absl::StrSplit(absl::GetFlag(FLAGS_learners), '|')) {
    GBMOA_ASSIGN_OR_RETURN(Spec spec, ParseSpec(std::string(text)));
    specs.push_back(std::move(spec));
  }
  if (absl::GetFlag(FLAGS_threads) < 1) return absl::InvalidArgumentError("--threads: at least 1");
  std::vector<int> marks;
  for (const std::string& text : absl::GetFlag(FLAGS_marks)) {
    int mark = 0;
    if (!absl::SimpleAtoi(text, &mark) || mark < 0) return absl::InvalidArgumentError("--marks: '" + text + "'");
    marks.push_back(mark);
  }
  // Now, so that a folder that cannot be written does not cost a meta-training first.
  if (const std::string cache = absl::GetFlag(FLAGS_cache); !cache.empty()) {
    std::error_code error;
    std::filesystem::create_directories(UserPath(cache), error);
    if (error) return absl::PermissionDeniedError(absl::StrCat("--cache=", cache, ": ", error.message()));
  }
  DeskWorldOptions world_options;
  world_options.validation = true;
  GBMOA_ASSIGN_OR_RETURN(world_options.meta_train_tasks, TrainTasks());
  GBMOA_ASSIGN_OR_RETURN(const TableWorld world, MakeDeskWorld(world_options));
  for (Spec& spec : specs) {
    GBMOA_ASSIGN_OR_RETURN(spec.learner, world.make_learner(spec.method, spec.options));
  }

  std::vector<Unit> units;
  if (absl::GetFlag(FLAGS_tasks)) {
    for (const EvalTask& task : world.tasks) {
      if (task.suite != "validation") continue;
      for (int draw = 0; draw < 3; ++draw) {
        GBMOA_ASSIGN_OR_RETURN(Batch support, task.support_set(draw, 16));
        units.push_back({"16-shot tasks",
                         task.name,
                         {task.name, std::move(support), task.test_set.batch},
                         static_cast<uint64_t>(draw)});
      }
    }
  } else {
    for (const std::string& text : absl::GetFlag(FLAGS_shots)) {
      int shots = 0;
      if (!absl::SimpleAtoi(text, &shots) || shots < 1) return absl::InvalidArgumentError("--shots: '" + text + "'");
      for (int i = 0; i < absl::GetFlag(FLAGS_episodes); ++i) {
        GBMOA_ASSIGN_OR_RETURN(Episode episode, world.few_shot(shots, i));
        const std::string group = GroupOf(episode.task);
        units.push_back({absl::StrCat(text, "-shot"), group, std::move(episode), static_cast<uint64_t>(i)});
      }
    }
  }

  GBMOA_RETURN_IF_ERROR(ForEachOnWorkers(
      specs.size(), [&](int64_t i) { return MetaTrain(specs[i], world, world_options.meta_train_tasks); }));
  for (const Spec& spec : specs) {
    if (!spec.meta_training.empty()) std::cout << "meta-training " << spec.text << ": " << spec.meta_training << "\n";
  }

  // accuracy[spec][unit][mark]
  std::vector<std::vector<std::vector<double>>> accuracy(specs.size(), std::vector<std::vector<double>>(units.size()));
  std::vector<std::vector<double>> seconds(specs.size(), std::vector<double>(units.size()));
  GBMOA_RETURN_IF_ERROR(ForEachOnWorkers(specs.size() * units.size(), [&](int64_t job) -> absl::Status {
    const size_t s = job % specs.size(), u = job / specs.size();
    AdaptOptions options;
    options.steps = marks.back();
    options.marks = marks;
    options.batch_size = absl::GetFlag(FLAGS_batch_size);
    options.seed = units[u].seed;
    const Episode& episode = units[u].episode;
    GBMOA_ASSIGN_OR_RETURN(const TaskRun run,
                           EvaluateTask(*specs[s].learner, episode.support_set, TestSet{episode.query_set}, options));
    for (const CurvePoint& point : run.curve) accuracy[s][u].push_back(point.accuracy);
    seconds[s][u] = run.report.seconds;
    return absl::OkStatus();
  }));

  std::map<std::pair<std::string, std::string>, std::vector<size_t>> groups;
  for (size_t u = 0; u < units.size(); ++u) {
    groups[{units[u].section, units[u].group}].push_back(u);
    groups[{units[u].section, "~all"}].push_back(u);
  }
  for (const auto& [key, members] : groups) {
    std::cout << key.first << " " << key.second << " (" << members.size() << "), accuracy at steps";
    for (const int mark : marks) std::cout << " " << mark;
    std::cout << ", paired difference to the first learner ± its standard error, seconds\n";
    for (size_t s = 0; s < specs.size(); ++s) {
      std::cout << "  " << absl::StrFormat("%-60s", specs[s].text);
      double time = 0;
      for (const size_t u : members) time += seconds[s][u] / static_cast<double>(members.size());
      for (size_t m = 0; m < marks.size(); ++m) {
        std::vector<double> values, differences;
        for (const size_t u : members) {
          values.push_back(accuracy[s][u][m]);
          differences.push_back(accuracy[s][u][m] - accuracy[0][u][m]);
        }
        const Summary value = Summarize(values), difference = Summarize(differences);
        const double error = difference.sd / std::sqrt(static_cast<double>(difference.n));
        std::cout << absl::StrFormat("  %.3f (%+.3f ±%.3f)", value.mean, difference.mean, error);
      }
      std::cout << absl::StrFormat("  %.2f s\n", time);
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace gbmoa

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("compares learners on validation episodes of the desk profile");
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = gbmoa::Run();
  if (!status.ok()) std::cerr << "study: " << status.message() << "\n";
  return gbmoa::ExitCode(status);
}
