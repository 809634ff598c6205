// Times this library on the work that Python libraries are timed on, from the same files: gradient steps of adaptation
// methods and meta-steps. One JSON object a line on standard output for each measurement:
//
//   bazel run -c opt //tools/bench:peer_work -- --model=DIR --episodes=FILE --precision=bf16 --only=adapter,imaml:5
//
//   work, k            as in --only; k is null for a step
//   precision          of the products with frozen weights, and with all weights where all are trained
//   ms, min_ms         median and least time of a run; run i is on episode i modulo their number, after one run to warm
//                      up, and the state that is trained goes on from run to run
//   peak_mib           the most memory (ru_maxrss) beyond what is resident with encoder and tokens loaded, just before
//                      the trained state is made: that state, its optimizer and all temporaries are in it
//   maxrss_growth_mib  the same beyond ru_maxrss at that point, which loading has raised above what is resident then:
//                      how the Python program counts; never more than peak_mib
//   examples           of a run: the support set of a step, both sets of a meta-step
//   flops              of a run, mean: counted, not derived. The same runs once more from the same start, not timed,
//                      watched for every product of two matrices that LibTorch runs (matrix_flops.h): forward,
//                      backward, Hessian-vector products and whatever else a method does, at two FLOPs a
//                      multiplication. Attention's own products, on pairs of tokens, are not among them.
//   tokens             real tokens of the same sets, special ones included, mean over the runs
//   iterations         of implicit methods: of the linear solver, mean over the runs
//   relative_residual  of implicit methods, mean over the runs, as the solver keeps it: conjugate gradient's own
//                      recurrence, the small system of the exact solve. Nothing is spent on b - Ax itself.
//   terminations       of implicit methods: how many runs' solves ended how (linear_solver.h). A solve that diverged
//                      answers with an earlier iterate and does one product more than iterations
//
// Inside the time: everything from packed tokens on. A step is forward, loss, gradient, AdamW and the checks for
// numbers that are not finite, as FinetuningLearner::Adapt does it, on the 25 texts of a support set at once. A
// meta-step is OuterLoop::Step on one task: task encoder and generator, prototype head (one forward pass over the
// support set, which has no counterpart where heads start from zero), k inner steps at rate 0.01, query loss,
// meta-gradient, AdamW on ψ. Implicit methods solve with λ = 1 / (k α), those that iterate in 5 products; what a
// product costs does not depend on λ. Outside: reading, tokenizing and packing, and the frozen features that the task
// encoder reads, which meta-training computes once a task.
//
// Each measurement is a process of its own: this program, run again. One that fails prints {"work", "k", "precision",
// "failed": true, "why"} and the others go on; the exit code is then that of the first that failed.
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "eval/statistics.h"
#include "eval/tokenizer.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/backbone/backbone_config.h"
#include "gbmoa/base/exit_codes.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/flags.h"
#include "gbmoa/base/resident_memory.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/threads.h"
#include "gbmoa/base/torch_status.h"
#include "glog/logging.h"
#include "nlohmann/json.hpp"
#include "tools/bench/matrix_flops.h"
#include "tools/bench/text_episodes.h"
#include "tools/bench/work.h"

ABSL_FLAG(std::string, model, "", "folder with config.json, model.safetensors and the tokenizer's files");
ABSL_FLAG(std::string, episodes, "", "JSON lines: {\"classes\": [...], \"support\": [[text, class]], \"query\": ...}");
ABSL_FLAG(std::string, precision, "fp32", "fp32 or bf16");
ABSL_FLAG(int, threads, 2, "of one operation");
ABSL_FLAG(int, repeat, 9, "timed runs of each measurement");
ABSL_FLAG(std::vector<std::string>, only,
          std::vector<std::string>({"full", "adapter", "lora", "prompt", "fomaml:5", "imaml:5", "ggn:5", "exact:5",
                                    "unrolled:5", "imaml:20", "unrolled:20"}),
          "what to measure; a meta-step has its number of inner steps after a colon");
ABSL_FLAG(std::string, measure, "", "the one measurement that this process is for; how the program calls itself");

// Of tcmalloc, which the program is linked with; its headers are not needed for more than this.
extern "C" void MallocExtension_ReleaseFreeMemory();

namespace gbmoa {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxTokens = 128;
constexpr int kMaxThreads = 1024, kMaxRepeat = 1000000;

struct Options {
  std::string model, episodes, precision_name;
  Precision precision = Precision::kFloat32;
  int threads = 0, repeat = 0;
  std::vector<WorkSpec> only;
};

absl::Status CheckRange(const char* flag, int value, int most) {
  if (value >= 1 && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": ", value, " is not in 1 to ", most));
}

absl::Status OfFlag(const char* flag, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("--", flag, ": ", status.message()));
}

absl::StatusOr<Options> ReadOptions() {
  Options options;
  options.model = UserPath(absl::GetFlag(FLAGS_model));
  options.episodes = UserPath(absl::GetFlag(FLAGS_episodes));
  if (options.model.empty()) return absl::InvalidArgumentError("--model: is missing");
  if (options.episodes.empty()) return absl::InvalidArgumentError("--episodes: is missing");
  options.precision_name = absl::GetFlag(FLAGS_precision);
  const absl::StatusOr<Precision> precision = ParseWorkPrecision(options.precision_name, FastestPrecision());
  if (!precision.ok()) return OfFlag("precision", precision.status());
  options.precision = *precision;
  options.threads = absl::GetFlag(FLAGS_threads);
  options.repeat = absl::GetFlag(FLAGS_repeat);
  GBMOA_RETURN_IF_ERROR(CheckRange("threads", options.threads, kMaxThreads));
  GBMOA_RETURN_IF_ERROR(CheckRange("repeat", options.repeat, kMaxRepeat));
  for (const std::string& text : absl::GetFlag(FLAGS_only)) {
    const absl::StatusOr<WorkSpec> spec = ParseWorkSpec(text);
    if (!spec.ok()) return OfFlag("only", spec.status());
    options.only.push_back(*spec);
  }
  if (options.only.empty()) return absl::InvalidArgumentError("--only: is empty");
  return options;
}

absl::StatusOr<std::vector<Episode>> LoadEpisodes(const Options& options) {
  GBMOA_ASSIGN_OR_RETURN(const BackboneConfig config, ReadBackboneConfig(options.model));
  GBMOA_ASSIGN_OR_RETURN(const std::vector<TextEpisode> texts, ReadTextEpisodes(options.episodes));
  GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer, LoadTokenizer(options.model));
  return TokenizeEpisodes(options.episodes, texts, *tokenizer, std::min(kMaxTokens, MaxSequenceTokens(config)));
}

double Mib(int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

// With so many decimal places; without a point where it is whole.
Json Number(double value, int places) {
  const double scale = std::pow(10.0, places), rounded = std::round(value * scale) / scale;
  if (rounded == std::round(rounded)) return static_cast<int64_t>(rounded);
  return rounded;
}

Json Head(const WorkSpec& spec, const Options& options) {
  Json line = {{"work", spec.name}, {"k", nullptr}, {"precision", options.precision_name}};
  if (spec.k > 0) line["k"] = spec.k;
  return line;
}

Json Failed(const WorkSpec& spec, const Options& options, const std::string& why) {
  Json line = Head(spec, options);
  line["failed"] = true;
  line["why"] = why;
  return line;
}

absl::StatusOr<Json> Measure(const WorkSpec& spec, const Options& options) {
  SetIntraOpThreads(options.threads);
  GBMOA_ASSIGN_OR_RETURN(const std::vector<Episode> episodes, LoadEpisodes(options));
  GBMOA_ASSIGN_OR_RETURN(const std::shared_ptr<const Backbone> backbone,
                         Backbone::Load(options.model, options.precision));
  GBMOA_ASSIGN_OR_RETURN(std::unique_ptr<Work> work, MakeWork(spec, backbone, episodes));
  const auto num_episodes = static_cast<int64_t>(episodes.size());
  const double peak_before_mib = Mib(PeakResidentBytes());
  MallocExtension_ReleaseFreeMemory();  // or temporaries would hide in what loading has left
  const double resident_mib = Mib(ResidentBytes());
  // Where the kernel does not allow it, what loading took at its peak stays in: peak_mib is too large, not too small.
  ResetPeakResident();
  GBMOA_RETURN_IF_ERROR(work->Start());
  GBMOA_RETURN_IF_ERROR(work->Run(0).status());
  std::vector<double> ms;
  WorkRun sum;
  sum.gradient_evaluations = 0;
  std::map<std::string, int> terminations;
  for (int i = 0; i < options.repeat; ++i) {
    const auto start = std::chrono::steady_clock::now();
    GBMOA_ASSIGN_OR_RETURN(const WorkRun run, work->Run(i % num_episodes));
    ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    sum.examples += run.examples;
    sum.tokens += run.tokens;
    sum.gradient_evaluations += run.gradient_evaluations;
    if (!run.termination.empty()) ++terminations[run.termination];
    sum.iterations += run.iterations;
    sum.relative_residual += run.relative_residual;
  }
  const double peak_mib = Mib(PeakResidentBytes());

  // The same runs from the same start: from a later state a solver might do another number of products.
  double flops = 0;
  double counted_evaluations = 0;
  GBMOA_ASSIGN_OR_RETURN(work, MakeWork(spec, backbone, episodes));
  GBMOA_RETURN_IF_ERROR(work->Start());
  GBMOA_RETURN_IF_ERROR(work->Run(0).status());
  for (int i = 0; i < options.repeat; ++i) {
    const MatrixFlopCounter counter;
    GBMOA_ASSIGN_OR_RETURN(const WorkRun run, work->Run(i % num_episodes));
    flops += counter.flops();
    counted_evaluations += run.gradient_evaluations;
  }
  if (counted_evaluations != sum.gradient_evaluations) {
    return absl::InternalError(absl::StrCat("the runs that were counted cost ", counted_evaluations,
                                            " gradients, those that were timed ", sum.gradient_evaluations));
  }

  const auto mean = [&](double total) { return total / options.repeat; };
  Json line = Head(spec, options);
  line["ms"] = Number(Median(ms), 2);
  line["min_ms"] = Number(*std::min_element(ms.begin(), ms.end()), 2);
  line["peak_mib"] = Number(peak_mib - resident_mib, 1);
  line["examples"] = Number(mean(static_cast<double>(sum.examples)), 1);
  line["flops"] = Number(mean(flops), 0);
  line["tokens"] = Number(mean(static_cast<double>(sum.tokens)), 1);
  if (!terminations.empty()) {
    line["iterations"] = Number(mean(sum.iterations), 2);
    line["relative_residual"] = mean(sum.relative_residual);  // not rounded: a small one is not 0
    line["terminations"] = terminations;
  }
  // The kernel counts what is resident and its peak to within a page or two a processor: a peak below what is resident
  // is what is resident.
  line["maxrss_growth_mib"] = Number(std::max(0.0, peak_mib - std::max(peak_before_mib, resident_mib)), 1);
  return line;
}

absl::Status Print(const Json& line) {
  const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (std::printf("%s\n", text.c_str()) < 0 || std::fflush(stdout) != 0) {
    return absl::UnknownError("standard output: cannot write");
  }
  return absl::OkStatus();
}

// In a process of its own; it prints the line, of success or failure, itself unless it dies. Returns its exit code.
absl::StatusOr<int> MeasureApart(const WorkSpec& spec, const Options& options) {
  char program[PATH_MAX + 1] = {};
  if (readlink("/proc/self/exe", program, PATH_MAX) < 0) {
    return absl::UnknownError(absl::StrCat("/proc/self/exe: cannot read: ", std::strerror(errno)));
  }
  std::vector<std::string> arguments = {program,
                                        absl::StrCat("--measure=", spec.text()),
                                        absl::StrCat("--model=", options.model),
                                        absl::StrCat("--episodes=", options.episodes),
                                        absl::StrCat("--precision=", options.precision_name),
                                        absl::StrCat("--threads=", options.threads),
                                        absl::StrCat("--repeat=", options.repeat)};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawn(&child, program, nullptr, nullptr, argv.data(), environ);
  if (error != 0) return absl::UnknownError(absl::StrCat(program, ": cannot start: ", std::strerror(error)));
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return absl::UnknownError(absl::StrCat("waitpid: ", std::strerror(errno)));
  }
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  const std::string why = absl::StrCat("killed by signal ", WTERMSIG(status));
  GBMOA_RETURN_IF_ERROR(Print(Failed(spec, options, why)));
  return ExitCode(absl::UnavailableError(why));
}

// One measurement: its line, or a line that says why there is none.
absl::Status RunChild(const Options& options) {
  // Whoever ends the program ends this process, too; it would spoil what is timed next.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  GBMOA_ASSIGN_OR_RETURN(const WorkSpec spec, ParseWorkSpec(absl::GetFlag(FLAGS_measure)));
  absl::StatusOr<Json> line = absl::InternalError("not measured");
  absl::Status status = CatchTorch([&] {
    line = Measure(spec, options);
    return line.status();
  });
  if (status.ok()) return Print(*line);
  GBMOA_RETURN_IF_ERROR(Print(Failed(spec, options, std::string(status.message()))));
  return absl::Status(status.code(), absl::StrCat(spec.text(), ": ", status.message()));
}

absl::StatusOr<int> RunAll(const Options& options) {
  // Now, once, and not in the lines of eleven failed measurements.
  GBMOA_RETURN_IF_ERROR(LoadEpisodes(options).status());
  const std::string weights = JoinPath(options.model, "model.safetensors");
  if (!FileExists(weights)) return absl::NotFoundError(absl::StrCat(weights, ": cannot open: No such file"));
  int exit_code = 0;
  for (const WorkSpec& spec : options.only) {
    GBMOA_ASSIGN_OR_RETURN(const int code, MeasureApart(spec, options));
    if (exit_code == 0) exit_code = code;
  }
  return exit_code;
}

absl::StatusOr<int> Run(const std::vector<std::string>& arguments) {
  const std::vector<std::string> flags = {"model", "episodes", "precision", "threads", "repeat", "only"};
  for (const std::string& argument : arguments) {
    if (argument != "--help" && argument != "-help" && argument != "-h") continue;
    std::printf(
        "peer_work: times gradient steps and meta-steps; one JSON object a line, explained in peer_work.cc\n\n%s",
        DescribeFlags(flags).c_str());
    return 0;
  }
  std::vector<std::string> allowed = flags;
  allowed.push_back("measure");
  GBMOA_ASSIGN_OR_RETURN(const std::vector<std::string> rest, ParseFlags(arguments, allowed));
  if (!rest.empty()) return absl::InvalidArgumentError(absl::StrCat("unexpected argument '", rest[0], "'"));
  GBMOA_ASSIGN_OR_RETURN(const Options options, ReadOptions());
  if (absl::GetFlag(FLAGS_measure).empty()) return RunAll(options);
  GBMOA_RETURN_IF_ERROR(RunChild(options));
  return 0;
}

int Main(const std::vector<std::string>& arguments) {
  const absl::StatusOr<int> exit_code = Run(arguments);
  if (exit_code.ok()) return *exit_code;
  std::fprintf(stderr, "peer_work: %s\n", std::string(exit_code.status().message()).c_str());
  return ExitCode(exit_code.status());
}

}  // namespace
}  // namespace gbmoa

int main(int argc, char** argv) {
  google::InitGoogleLogging(argv[0]);
  FLAGS_logtostderr = true;
  if (std::getenv("GLOG_minloglevel") == nullptr) FLAGS_minloglevel = google::GLOG_WARNING;
  return gbmoa::Main(std::vector<std::string>(argv + 1, argv + argc));
}
