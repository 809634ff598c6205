#include "repro/table_runner.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <list>
#include <mutex>
#include <new>
#include <set>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/resident_memory.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"
#include "glog/logging.h"
#include "repro/event_file.h"
#include "repro/meta_key.h"
#include "repro/progress.h"
#include "repro/selection.h"
#include "repro/table.h"

namespace gbmoa {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

absl::Status MakeFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return absl::PermissionDeniedError(absl::StrCat(path, ": cannot make the folder: ", error.message()));
  return absl::OkStatus();
}

// Keeps two runs out of one folder. The lock goes with the process, however it ends.
class FolderLock {
 public:
  static absl::StatusOr<std::unique_ptr<FolderLock>> Take(const std::string& folder) {
    const std::string path = JoinPath(folder, ".lock");
    const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) return absl::PermissionDeniedError(absl::StrCat(path, ": ", std::strerror(errno)));
    auto lock = std::make_unique<FolderLock>(descriptor);
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
      char pid[32] = {};
      const ssize_t size = pread(descriptor, pid, sizeof pid - 1, 0);
      return absl::FailedPreconditionError(
          absl::StrCat(folder, ": another run is at work here, process ", size > 0 ? pid : "unknown"));
    }
    const std::string pid = absl::StrCat(getpid());
    if (ftruncate(descriptor, 0) != 0 || pwrite(descriptor, pid.data(), pid.size(), 0) < 0) {
      return absl::PermissionDeniedError(absl::StrCat(path, ": ", std::strerror(errno)));
    }
    return lock;
  }
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}
  ~FolderLock() { close(descriptor_); }

 private:
  int descriptor_;
};

// A learner, ready for jobs once it is meta-trained.
struct Slot {
  std::string row;
  int meta_seed = -1;
  std::unique_ptr<Learner> learner;
  bool heir = false;         // its meta-trained state is another slot's
  std::vector<Slot*> heirs;  // other options on the same meta-trained state
  std::string settings;      // what the learner depends on, as part of a cell's key
  std::string meta_key;      // what its meta-trained state depends on
  bool ready = false;
  std::string error;  // why its jobs cannot run
};

// A row's grid while it is searched.
struct Search {
  Selection* selection;
  int64_t left = 0;  // adaptations of candidates that are not done
};

struct Job {
  enum Kind { kMetaTrain, kCandidate, kTask, kEpisode } kind;
  Slot* slot;     // nullptr while the row's grid is searched
  size_t result;  // index in TableRun::meta_trainings or cells, or in the candidate's cells
  const EvalTask* task = nullptr;
  Search* search = nullptr;         // of the row, if it has a grid
  std::vector<Slot*> by_candidate;  // what `slot` will be
  Candidate* candidate = nullptr;   // of kCandidate
  HeadStart head = HeadStart::kPrototypes;
  int64_t meta_steps = -1;
  std::string progress_kind;
};

LearnerOptions ToOptions(const google::protobuf::Map<std::string, std::string>& map) {
  return LearnerOptions(map.begin(), map.end());
}

bool IsReady(const Job& job) { return job.kind == Job::kMetaTrain || (job.slot != nullptr && job.slot->ready); }

// Adaptations of one sort differ less in time than an adaptation and a meta-training.
std::string Sort(const Job& job) {
  return job.kind == Job::kMetaTrain ? "meta-training" : job.kind == Job::kEpisode ? "episode" : "task";
}

// So many adaptation seeds apart are the repetitions of an episode; profiles have fewer episodes.
constexpr uint64_t kReplicateSeeds = 1000000;

// A worker must not die of what a learner throws, least of all when memory is short.
template <typename F>
auto CatchExceptions(const F& run) -> decltype(run()) {
  try {
    return run();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

// A line an example: the class index or the target, and of answers to questions a tab and the question's number.
std::string GoldText(const TestSet& test_set) {
  const Batch& batch = test_set.batch;
  std::string text;
  for (int64_t i = 0; i < batch.size(); ++i) {
    absl::StrAppendFormat(&text, "%.9g", batch.regression ? batch.targets[i] : static_cast<double>(batch.labels[i]));
    if (!test_set.groups.empty()) absl::StrAppend(&text, "\t", test_set.groups[i]);
    text += '\n';
  }
  return text;
}

class Runner {
 public:
  Runner(const Table& table, const Profile& profile, bool quick, const TableWorld& world, const RunnerOptions& options)
      : table_(table),
        profile_(profile),
        quick_(quick),
        world_(world),
        options_(options),
        progress_({options.terminal, options.threads, nullptr, nullptr}) {}

  absl::StatusOr<TableRun> Run() {
    GBMOA_RETURN_IF_ERROR(ChooseTasks());
    GBMOA_RETURN_IF_ERROR(MakeSlots());
    for (const char* folder : {"cells", "meta", "predictions"}) {
      GBMOA_RETURN_IF_ERROR(MakeFolder(JoinPath(options_.out, folder)));
    }
    GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<FolderLock> lock, FolderLock::Take(options_.out));
    GBMOA_RETURN_IF_ERROR(WriteGold());
    PlanJobs();
    for (const Job& job : pending_) progress_.AddJobs(job.progress_kind, 1, Sort(job));
    KeepFinishedCells();
    SampleKindsFirst();
    std::vector<std::thread> workers;
    for (int i = 0; i < options_.threads; ++i) workers.emplace_back([this] { Work(); });
    for (std::thread& worker : workers) worker.join();
    progress_.Close();
    GBMOA_RETURN_IF_ERROR(fatal_);
    run_.peak_rss_bytes = PeakResidentBytes();
    return std::move(run_);
  }

 private:
  absl::Status ChooseTasks() {
    const std::set<std::string> quick_tasks(profile_.quick().tasks().begin(), profile_.quick().tasks().end());
    std::set<std::string> found;
    for (const std::string& suite : profile_.suites()) {
      bool any = false;
      for (const EvalTask& task : world_.tasks) {
        if (task.suite != suite) continue;
        any = true;
        if (quick_ && quick_tasks.count(task.name) == 0) {
          run_.left_out_tasks.push_back(Facts(task, /*development=*/false));
          continue;
        }
        found.insert(task.name);
        tasks_.push_back(&task);
      }
      // A world may be without what a quick run has no need of.
      if (!any && !quick_) return absl::InvalidArgumentError(absl::StrCat("suite '", suite, "' has no tasks"));
    }
    for (const std::string& task : quick_tasks) {
      if (quick_ && found.count(task) == 0) {
        return absl::InvalidArgumentError(absl::StrCat("quick task '", task, "' is in none of the profile's suites"));
      }
    }
    if (profile_.has_grid()) GBMOA_RETURN_IF_ERROR(ChooseDevelopmentTasks());
    return DescribeTasks();
  }

  static TaskFacts Facts(const EvalTask& task, bool development) {
    return {task.name,
            task.suite,
            development,
            task.subset,
            task.missing,
            task.test_set.batch.size(),
            task.test_set.metrics,
            task.test_set.official_metrics};
  }

  // What results say of the tasks. Cells are known by the names of their tasks, and what is meta-trained on is no task
  // to be judged on.
  absl::Status DescribeTasks() {
    run_.meta_train_tasks = world_.meta_train_names;
    std::set<std::string> names;
    for (const std::vector<const EvalTask*>* tasks : {&tasks_, &development_tasks_, &missing_development_}) {
      for (const EvalTask* task : *tasks) {
        if (!names.insert(task->name).second)
          return absl::InvalidArgumentError(absl::StrCat("task '", task->name, "' is there twice"));
        if (std::count(run_.meta_train_tasks.begin(), run_.meta_train_tasks.end(), task->name) > 0) {
          return absl::InvalidArgumentError(
              absl::StrCat("task '", task->name, "' is meta-trained on; it cannot be judged on, too"));
        }
        run_.tasks.push_back(Facts(*task, tasks != &tasks_));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ChooseDevelopmentTasks() {
    const Grid& grid = profile_.grid();
    std::vector<std::string> names(grid.tasks().begin(), grid.tasks().end());
    std::map<std::string, const EvalTask*> of_suite;
    std::map<std::string, std::string> test_tasks;  // name, suite
    for (const EvalTask& task : world_.tasks) {
      if (std::count(profile_.suites().begin(), profile_.suites().end(), task.suite) > 0) {
        test_tasks[task.name] = task.suite;
      }
      if (task.suite != grid.suite()) continue;
      of_suite[task.name] = &task;
      if (grid.tasks().empty()) names.push_back(task.name);
    }
    if (of_suite.empty())
      return absl::InvalidArgumentError(absl::StrCat("the grid's suite '", grid.suite(), "' has no tasks"));
    for (const std::string& name : names) {
      const auto found = of_suite.find(name);
      if (found == of_suite.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat("the grid's task '", name, "' is not in its suite '", grid.suite(), "'"));
      }
      if (const auto test = test_tasks.find(name); test != test_tasks.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat("the grid's task '", name, "' is a test task, too, of suite '", test->second, "'"));
      }
      if (!found->second->development) {
        return absl::InvalidArgumentError(
            absl::StrCat("the grid's task '", name, "' is no development task: it may share texts with test tasks"));
      }
      if (!found->second->missing.empty()) {
        LOG(WARNING) << "the grid's task " << name << ": " << found->second->missing;
        if (no_development_.empty()) no_development_ = found->second->missing;
        missing_development_.push_back(found->second);
        continue;
      }
      development_tasks_.push_back(found->second);
      if (quick_) break;
    }
    if (!development_tasks_.empty()) no_development_.clear();
    return absl::OkStatus();
  }

  int MetaSeeds() const { return std::min(profile_.meta_seeds(), profile_.draws()); }
  int MetaSeed(int draw) const { return profile_.first_meta_seed() + (draw - profile_.first_draw()) % MetaSeeds(); }

  int64_t MetaSteps(const std::string& row) const {
    const int64_t steps = FindRowSettings(profile_, row)->meta_steps();
    return steps == 0 ? -1 : steps;
  }

  absl::StatusOr<Slot*> NewSlot(const std::string& row_id, int meta_seed, const LearnerOptions& options) {
    const Row& row = *FindRow(table_, row_id);
    absl::StatusOr<std::unique_ptr<Learner>> learner = world_.make_learner(row.method(), options);
    if (!learner.ok()) {
      return absl::Status(learner.status().code(), absl::StrCat("row ", row_id, ": ", learner.status().message()));
    }
    slots_.push_back({row_id, meta_seed, *std::move(learner)});
    Slot& slot = slots_.back();
    slot.settings = absl::StrCat(row.method(), ";", OptionsText(options));
    slot.ready = !slot.learner->meta_learns();
    if (slot.ready) {
      slot.meta_seed = -1;
    } else {
      slot.meta_key = MetaTrainingKey(options_.key, MetaTrainTasksText(profile_.meta_train_tasks()), row.method(),
                                      options, MetaSteps(row_id), meta_seed);
      absl::StrAppend(&slot.settings, ";", slot.meta_key);
    }
    return &slot;
  }

  // The row's learners, by candidate of its grid, for meta-training number `k` of the profile's. The row is run.
  const std::vector<Slot*>& RowSlots(const std::string& row, int k) const {
    const std::vector<std::vector<Slot*>>& slots = row_slots_.at(row);
    return slots[std::min<size_t>(k, slots.size() - 1)];  // one that does not meta-learn has one for all
  }

  Search* FindSearch(const std::string& row) {
    for (Search& search : searches_) {
      if (search.selection->row == row) return &search;
    }
    return nullptr;
  }

  static void Inherit(Slot* from, Slot* heir) {
    heir->heir = true;
    from->heirs.push_back(heir);
  }

  absl::Status MakeRowSlots(const Row& row) {
    const RowSettings& settings = *FindRowSettings(profile_, row.id());
    std::vector<std::vector<Slot*>>& row_slots = row_slots_[row.id()];
    for (int k = 0; k < MetaSeeds(); ++k) {
      row_slots.emplace_back();
      for (const LearnerOptions& candidate : GridCandidates(settings)) {
        LearnerOptions options = ToOptions(settings.options());
        options.insert(candidate.begin(), candidate.end());
        GBMOA_ASSIGN_OR_RETURN(Slot * slot, NewSlot(row.id(), profile_.first_meta_seed() + k, options));
        row_slots[k].push_back(slot);
        if (slot != row_slots[k][0] && !slot->ready) Inherit(row_slots[k][0], slot);
      }
      const bool meta_learns = row_slots[k][0]->learner->meta_learns();
      run_.meta_learns[row.id()] = meta_learns;
      if (!meta_learns) break;
      if (world_.meta_train_tasks == nullptr) {
        return absl::InvalidArgumentError(
            absl::StrCat("row ", row.id(), " meta-learns, but there are no tasks for it"));
      }
      for (const GridOption& option : settings.grid()) {
        if (MetaTrainingOptionsText({{option.option(), ""}}).empty()) continue;
        return absl::InvalidArgumentError(
            absl::StrCat("row ", row.id(), ": ", option.option(),
                         " cannot be in its grid: its meta-training reads it, and there is one for all candidates"));
      }
    }
    if (settings.grid().empty() || !no_development_.empty()) return absl::OkStatus();
    run_.selections.push_back({row.id()});
    for (const LearnerOptions& candidate : GridCandidates(settings)) {
      run_.selections.back().candidates.push_back({candidate});
    }
    searches_.push_back({&run_.selections.back()});
    return absl::OkStatus();
  }

  absl::Status MakeSlots() {
    run_.selections.reserve(table_.rows_size());  // searches and jobs point into it
    for (const Row& row : table_.rows()) {
      if (!NotAttemptedReason(profile_, row.id()).empty()) continue;
      GBMOA_RETURN_IF_ERROR(MakeRowSlots(row));
    }
    if (!profile_.has_few_shot()) return absl::OkStatus();
    if (!world_.few_shot && world_.few_shot_missing.empty())
      return absl::InvalidArgumentError("the profile has a few-shot part, but no episodes for it");
    for (const FewShot::Start& start : profile_.few_shot().starts()) {
      if (row_slots_.count(start.row()) == 0) continue;
      const RowSettings& settings = *FindRowSettings(profile_, start.row());
      const std::vector<LearnerOptions> candidates = GridCandidates(settings);
      for (int k = 0; k < MetaSeeds(); ++k) {
        std::vector<Slot*> slots = RowSlots(start.row(), k);
        for (size_t c = 0; c < slots.size() && !start.options().empty(); ++c) {
          LearnerOptions options = ToOptions(start.options());
          options.insert(candidates[c].begin(), candidates[c].end());
          options.insert(settings.options().begin(), settings.options().end());
          GBMOA_ASSIGN_OR_RETURN(slots[c], NewSlot(start.row(), profile_.first_meta_seed() + k, options));
          if (slots[c]->ready) continue;
          Slot* const of_row = RowSlots(start.row(), k)[0];
          Inherit(of_row, slots[c]);
          absl::StrAppend(&slots[c]->settings, ";", of_row->meta_key);  // the state is the row's
        }
        starts_[start.id()].push_back(slots);
      }
    }
    return absl::OkStatus();
  }

  // One file of what is true a task, beside the predictions.
  absl::Status WriteGold() const {
    for (const EvalTask* task : tasks_) {
      if (!task->missing.empty()) continue;
      Cell cell;
      cell.row = "gold";
      cell.task = task->name;
      const std::string name = CellName(cell);  // "gold--noun8--draw0"
      const std::string path =
          JoinPath(options_.out, absl::StrCat("predictions/", name.substr(0, name.rfind("--")), ".txt"));
      GBMOA_RETURN_IF_ERROR(WriteFileAtomically(path, GoldText(task->test_set)));
    }
    return absl::OkStatus();
  }

  void PlanJobs() {
    const FewShot& few_shot = profile_.few_shot();
    const bool any = (few_shot.starts_size() > 0 && world_.few_shot_missing.empty()) ||
                     std::any_of(tasks_.begin(), tasks_.end(), [](const EvalTask* t) { return t->missing.empty(); });
    for (Slot& slot : slots_) {
      if (slot.ready || slot.heir || !any) continue;
      run_.meta_trainings.push_back({slot.row, slot.meta_seed});
      Job job{Job::kMetaTrain, &slot, run_.meta_trainings.size() - 1};
      job.meta_steps = MetaSteps(slot.row);
      job.progress_kind = absl::StrCat("meta-training ", slot.row);
      pending_.push_back(job);
    }
    for (Search& search : searches_) PlanSearch(&search);
    for (const Row& row : table_.rows()) {
      if (!NotAttemptedReason(profile_, row.id()).empty()) continue;
      for (const EvalTask* task : tasks_) {
        for (int d = profile_.first_draw(); d < profile_.first_draw() + profile_.draws(); ++d) {
          const std::vector<Slot*>& slots = RowSlots(row.id(), MetaSeed(d) - profile_.first_meta_seed());
          run_.cells.push_back({row.id(), task->suite, task->name, d, slots[0]->meta_seed, profile_.shots()});
          PlanCell(Job::kTask, slots, row, row.id(), task->missing, task);
        }
      }
    }
    for (const FewShot::Start& start : few_shot.starts()) {
      for (const int shots : few_shot.shots()) {
        int replicate = 0;
        for (const std::vector<Slot*>& slots : starts_[start.id()]) {
          for (int i = 0; i < few_shot.episodes(); ++i) {
            run_.cells.push_back(
                {start.id(), "few_shot", "", few_shot.first_episode() + i, slots[0]->meta_seed, shots, replicate});
            PlanCell(Job::kEpisode, slots, *FindRow(table_, start.row()), absl::StrCat(start.id(), " ", shots, "-shot"),
                     world_.few_shot_missing);
          }
          ++replicate;
        }
      }
    }
  }

  // A job for the last cell, unless what it needs is missing.
  void PlanCell(Job::Kind kind, const std::vector<Slot*>& slots, const Row& row, const std::string& progress_kind,
                const std::string& missing, const EvalTask* task = nullptr) {
    Cell& cell = run_.cells.back();
    cell.not_attempted = missing;
    if (missing.empty() && FindRowSettings(profile_, row.id())->grid_size() > 0) cell.not_attempted = no_development_;
    if (!cell.not_attempted.empty()) return;
    Job job{kind, slots[0], run_.cells.size() - 1, task};
    job.search = FindSearch(row.id());
    if (job.search != nullptr) {
      job.slot = nullptr;
      job.by_candidate = slots;
    }
    job.head = row.head() == Row::ZERO ? HeadStart::kZero : HeadStart::kPrototypes;
    job.progress_kind = progress_kind;
    pending_.push_back(job);
  }

  void PlanSearch(Search* search) {
    const Grid& grid = profile_.grid();
    const Row& row = *FindRow(table_, search->selection->row);
    const std::vector<Slot*>& slots = RowSlots(row.id(), 0);
    const bool as_row = grid.shots() == profile_.shots() && grid.steps() == profile_.steps();
    for (size_t c = 0; c < slots.size(); ++c) {
      Candidate& candidate = search->selection->candidates[c];
      for (const EvalTask* task : development_tasks_) {
        for (int d = grid.first_draw(); d < grid.first_draw() + grid.draws(); ++d) {
          Cell cell{row.id(), task->suite, task->name, d, slots[c]->meta_seed, grid.shots()};
          cell.candidate = OptionsText(candidate.options);
          candidate.cells.push_back(cell);
          Job job{Job::kCandidate, slots[c], candidate.cells.size() - 1, task};
          job.search = search;
          job.candidate = &candidate;
          job.head = row.head() == Row::ZERO ? HeadStart::kZero : HeadStart::kPrototypes;
          job.progress_kind = as_row ? row.id() : absl::StrCat(row.id(), " grid");
          pending_.push_back(job);
          ++search->left;
        }
      }
    }
  }

  Cell& CellOf(const Job& job) {
    return job.candidate != nullptr ? job.candidate->cells[job.result] : run_.cells[job.result];
  }

  // One cell of each kind that waits for no meta-training goes first, so that the time left is known early.
  void SampleKindsFirst() {
    std::set<std::string> seen;
    std::list<Job> first;
    for (auto job = pending_.begin(); job != pending_.end();) {
      const auto at = job++;
      if (at->kind != Job::kMetaTrain && IsReady(*at) && seen.insert(at->progress_kind).second) {
        first.splice(first.end(), pending_, at);
      }
    }
    pending_.splice(pending_.begin(), first);
  }

  std::string CellPath(const Cell& cell) const {
    return JoinPath(options_.out, absl::StrCat("cells/", CellName(cell), ".json"));
  }

  std::string PredictionsPath(const Cell& cell) const {
    return JoinPath(options_.out, absl::StrCat("predictions/", CellName(cell), ".txt"));
  }

  // How the job's cell is adapted, all but the observer.
  AdaptOptions AdaptOptionsOf(const Job& job) {
    const Cell& cell = CellOf(job);
    AdaptOptions options;
    options.head_start = job.head;
    options.seed = static_cast<uint64_t>(cell.draw) + kReplicateSeeds * static_cast<uint64_t>(cell.replicate);
    if (job.kind == Job::kEpisode) {
      const FewShot& few_shot = profile_.few_shot();
      options.steps = few_shot.steps();
      options.batch_size = few_shot.batch_size();
      options.marks.assign(few_shot.marks().begin(), few_shot.marks().end());
      return options;
    }
    options.batch_size = profile_.batch_size();
    if (job.kind == Job::kCandidate) {
      options.steps = profile_.grid().steps();
      options.marks = {options.steps};  // only what is compared is scored
    } else {
      options.steps = profile_.steps();
      options.marks.assign(profile_.marks().begin(), profile_.marks().end());
    }
    if (const int own = FindRowSettings(profile_, cell.row)->steps(); own > 0) {
      options.steps = own;
      while (!options.marks.empty() && options.marks.back() >= own) options.marks.pop_back();
      options.marks.push_back(own);
    }
    return options;
  }

  // Everything that the cell's outcome depends on.
  std::string CellKey(const Job& job) {
    const Cell& cell = CellOf(job);
    const AdaptOptions options = AdaptOptionsOf(job);
    return Sha256Hex(absl::StrJoin(
        {options_.key, profile_.name(), job.slot->settings, cell.row, cell.suite,
         job.kind == Job::kEpisode ? std::string() : cell.task, absl::StrCat(cell.draw), absl::StrCat(cell.meta_seed),
         absl::StrCat(cell.replicate), absl::StrCat(cell.shots), absl::StrCat(options.steps),
         absl::StrCat(options.batch_size), absl::StrJoin(options.marks, ","),
         absl::StrCat(job.head == HeadStart::kZero),
         job.task == nullptr ? std::string() : absl::StrJoin(job.task->test_set.metrics, ","),
         absl::StrJoin(job.task == nullptr ? world_.few_shot_inputs : job.task->inputs, ",", absl::PairFormatter(" "))},
        "\n"));
  }

  // What an earlier run has finished comes off the list: first of the candidates, whose choice decides what the cells
  // of their rows are.
  void KeepFinishedCells() {
    if (!options_.fresh) Keep([](const Job& job) { return job.kind == Job::kCandidate; });
    for (Search& search : searches_) {
      if (search.left == 0) Choose(&search);
    }
    if (!options_.fresh) Keep([](const Job& job) { return job.search == nullptr; });
    if (run_.reused_cells > 0)
      LOG(INFO) << run_.reused_cells << " cells are kept from an earlier run in " << options_.out;
    if (other_cells_ > 0)
      LOG(INFO) << other_cells_ << " cells in " << options_.out
                << " are of other settings, another program or other data and run again";
  }

  // Takes the jobs of `which` whose cells an earlier run has finished off the list. mutex_ is held, or no worker is at
  // work yet.
  template <typename F>
  void Keep(const F& which) {
    for (auto job = pending_.begin(); job != pending_.end();) {
      const auto at = job++;
      if (at->kind == Job::kMetaTrain || !which(*at) || !Restore(*at)) continue;
      ++run_.reused_cells;
      progress_.NotNeeded(at->progress_kind);
      if (at->kind == Job::kCandidate) --at->search->left;
      pending_.erase(at);
    }
  }

  // Chooses among candidates that have all been run, and gives the row's jobs their learner. mutex_ is held, or no
  // worker is at work yet.
  void Choose(Search* search) {
    Selection& selection = *search->selection;
    selection.chosen = ChooseCandidate(selection.candidates);
    std::string error;
    if (selection.chosen < 0) {
      error =
          absl::StrCat("no candidate of the grid could be run: ", ScoreCandidate(selection.candidates[0]).first_error);
      LOG(ERROR) << "row " << selection.row << ": " << error;
    } else {
      LOG(INFO) << "row " << selection.row << ": " << OptionsText(selection.candidates[selection.chosen].options)
                << " is chosen";
    }
    const auto of_row = [search](const Job& job) { return job.search == search && job.kind != Job::kCandidate; };
    for (Job& job : pending_) {
      if (!of_row(job)) continue;
      job.slot = job.by_candidate[std::max(0, selection.chosen)];
      if (!error.empty()) job.slot->error = error;
    }
    if (error.empty() && !options_.fresh) Keep(of_row);
  }

  bool Restore(const Job& job) {
    Cell& cell = CellOf(job);
    const std::string path = CellPath(cell);
    if (!FileExists(path)) return false;
    const absl::StatusOr<std::string> text = ReadFile(path, 16 << 20);
    const Json json = text.ok() ? Json::parse(*text, nullptr, /*allow_exceptions=*/false) : Json();
    if (!json.is_object() || !json.contains("key") || !json.contains("cell")) {
      LOG(WARNING) << path << ": not a cell, run again";
      return false;
    }
    if (json["key"] != CellKey(job)) {
      ++other_cells_;
      return false;
    }
    absl::StatusOr<Cell> restored = CellFromJson(json["cell"]);
    if (!restored.ok()) {
      LOG(WARNING) << path << ": " << restored.status().message() << "; run again";
      return false;
    }
    if (job.kind == Job::kTask) {
      const std::string predictions = PredictionsPath(cell);
      const absl::StatusOr<std::string> sha256 = Sha256HexOfFile(predictions);
      if (!sha256.ok() || json.value("predictions_sha256", Json()) != *sha256) {
        LOG(WARNING) << predictions << ": is not the file that was written; its cell runs again";
        return false;
      }
    }
    cell = *std::move(restored);
    return true;
  }

  bool Stopped() const { return options_.stopped && options_.stopped(); }

  void Work() {
    if (options_.on_worker_start) options_.on_worker_start();
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      if (fatal_.ok() && Stopped()) fatal_ = absl::CancelledError("interrupted");
      if (!fatal_.ok()) break;
      const auto next = std::find_if(pending_.begin(), pending_.end(), IsReady);
      if (next == pending_.end()) {
        // What is left waits for a meta-training or for candidates of another worker, or there is nothing left.
        if (pending_.empty()) break;
        changed_.wait_for(lock, std::chrono::milliseconds(200));
        continue;
      }
      const Job job = *next;
      pending_.erase(next);
      lock.unlock();
      const absl::Status status = job.kind == Job::kMetaTrain ? MetaTrain(job) : RunCell(job);
      lock.lock();
      if (!status.ok() && fatal_.ok())
        fatal_ = absl::IsCancelled(status) ? absl::CancelledError("interrupted") : status;
      changed_.notify_all();
    }
    changed_.notify_all();
  }

  // Errors are those of writing; a meta-training that fails is a fact about its row.
  absl::Status MetaTrain(const Job& job) {
    Slot& slot = *job.slot;
    MetaTraining& training = run_.meta_trainings[job.result];
    const std::string name = absl::StrCat(slot.row, "-seed", slot.meta_seed);
    const std::string state = JoinPath(options_.out, absl::StrCat("meta/", name, ".safetensors"));
    const std::string record = JoinPath(options_.out, absl::StrCat("meta/", name, ".json"));
    const std::string order_path = JoinPath(options_.out, absl::StrCat("meta/", name, "-order.json"));
    const std::string events = absl::StrCat("meta/", name, "-events"), events_path = JoinPath(options_.out, events);
    const Clock::time_point start = Clock::now();
    absl::Status status;
    if (!options_.fresh && LoadMetaTrained(record, state, slot.meta_key, slot.learner.get(), &training)) {
      training.reused = true;
    } else {
      // A training that did not come to its end starts again at step 1; its curve would lie under the new one.
      std::error_code error;
      std::filesystem::remove_all(events_path, error);
      GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<EventFileWriter> writer, EventFileWriter::Create(events_path));
      std::vector<double> losses;
      MetaTrainOptions options;
      options.seed = static_cast<uint64_t>(slot.meta_seed);
      options.steps = job.meta_steps;
      options.on_order = [&](const TaskOrder& order) -> absl::Status {
        training.tasks = static_cast<int64_t>(order.positions.size());
        const Json json = {{"positions", order.positions}, {"difficulties", order.difficulties}};
        return WriteFileAtomically(order_path, absl::StrCat(json.dump(), "\n"));
      };
      options.on_step = [&](const MetaTrainProgress& at) -> absl::Status {
        losses.push_back(at.query_loss);
        training.steps = at.step;
        const double share = at.steps > 0 ? static_cast<double>(at.step) / static_cast<double>(at.steps) : 0;
        progress_.Running(absl::StrCat("meta-training ", name), job.progress_kind, share, SecondsSince(start),
                          at.detail);
        const double seconds = SecondsSince(start), tasks = static_cast<double>(training.tasks) * share;
        std::vector<std::pair<std::string, float>> scalars = {{"query_loss", static_cast<float>(at.query_loss)},
                                                              {"skipped_steps", static_cast<float>(at.skipped)}};
        if (tasks > 0 && seconds > 0) scalars.emplace_back("tasks_per_second", static_cast<float>(tasks / seconds));
        GBMOA_RETURN_IF_ERROR(
            writer->AddScalars(at.step, absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()), scalars));
        if (options_.stopped && options_.stopped()) return absl::CancelledError("interrupted");
        return absl::OkStatus();
      };
      status = CatchExceptions([&] { return slot.learner->MetaTrain(*world_.meta_train_tasks, options); });
      progress_.Running(absl::StrCat("meta-training ", name), job.progress_kind, 1, SecondsSince(start), "");
      training.seconds = SecondsSince(start);
      GBMOA_RETURN_IF_ERROR(writer->Close());
      const size_t tenth = (losses.size() + 9) / 10;
      for (size_t i = 0; i < tenth; ++i) {
        training.first_loss += losses[i] / static_cast<double>(tenth);
        training.last_loss += losses[losses.size() - 1 - i] / static_cast<double>(tenth);
      }
      if (status.ok())
        GBMOA_RETURN_IF_ERROR(SaveMetaTrained(record, state, slot.meta_key, *slot.learner, training, losses));
    }
    if (FileExists(events_path)) training.events = events;
    if (!status.ok()) {
      if (absl::IsCancelled(status)) return status;
      training.error = std::string(status.message());
      LOG(ERROR) << "meta-training " << name << " failed: " << status;
    }
    std::vector<absl::Status> loaded;
    for (Slot* heir : slot.heirs) loaded.push_back(status.ok() ? heir->learner->Load(state) : status);
    progress_.Finished(job.progress_kind, training.reused ? SecondsSince(start) : training.seconds, !status.ok());
    std::lock_guard<std::mutex> lock(mutex_);
    slot.ready = true;
    if (!status.ok()) slot.error = absl::StrCat("meta-training: ", status.message());
    for (size_t i = 0; i < loaded.size(); ++i) {
      slot.heirs[i]->ready = true;
      if (!loaded[i].ok()) slot.heirs[i]->error = absl::StrCat("meta-training: ", loaded[i].message());
    }
    return absl::OkStatus();
  }

  static bool LoadMetaTrained(const std::string& record, const std::string& state, const std::string& key,
                              Learner* learner, MetaTraining* training) {
    if (!FileExists(record) || !FileExists(state)) return false;
    const absl::StatusOr<std::string> text = ReadFile(record, 64 << 20);
    const Json json = text.ok() ? Json::parse(*text, nullptr, /*allow_exceptions=*/false) : Json();
    const auto text_of = [&](const char* name) {
      const auto found = json.find(name);
      return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    const auto number_of = [&](const char* name) {
      const auto found = json.find(name);
      return found != json.end() && found->is_number() ? found->get<double>() : NAN;
    };
    if (!json.is_object() || text_of("key") != key) return false;
    const absl::StatusOr<std::string> hash = Sha256HexOfFile(state);
    if (!hash.ok() || text_of("sha256") != *hash) {
      LOG(WARNING) << state << ": is not the file that was written; meta-training runs again";
      return false;
    }
    if (const absl::Status status = learner->Load(state); !status.ok()) {
      LOG(WARNING) << state << ": " << status << "; meta-training runs again";
      return false;
    }
    const double steps = number_of("steps");
    training->steps = std::isfinite(steps) ? static_cast<int64_t>(steps) : 0;
    const double tasks = number_of("tasks");
    training->tasks = std::isfinite(tasks) ? static_cast<int64_t>(tasks) : 0;
    training->seconds = number_of("seconds");
    training->first_loss = number_of("first_loss");
    training->last_loss = number_of("last_loss");
    return true;
  }

  // The state first, then the record that vouches for it: a crash in between leaves a state that nobody trusts.
  static absl::Status SaveMetaTrained(const std::string& record, const std::string& state, const std::string& key,
                                      const Learner& learner, const MetaTraining& training,
                                      const std::vector<double>& losses) {
    const std::string partial = absl::StrCat(state, ".partial");
    GBMOA_RETURN_IF_ERROR(learner.Save(partial));
    if (!FileExists(partial)) return absl::OkStatus();  // the learner has no state to keep
    std::error_code error;
    std::filesystem::rename(partial, state, error);
    if (error) return absl::UnknownError(absl::StrCat(state, ": ", error.message()));
    GBMOA_ASSIGN_OR_RETURN(const std::string hash, Sha256HexOfFile(state));
    const Json json = {{"key", key},
                       {"sha256", hash},
                       {"steps", training.steps},
                       {"tasks", training.tasks},
                       {"seconds", training.seconds},
                       {"first_loss", training.first_loss},
                       {"last_loss", training.last_loss},
                       {"query_losses", losses}};
    return WriteFileAtomically(record, absl::StrCat(json.dump(1), "\n"));
  }

  // `gold`: what is true, where it has no file of its own.
  absl::StatusOr<TaskRun> Evaluate(const Job& job, Cell* cell, std::string* gold) {
    if (!job.slot->error.empty()) return absl::FailedPreconditionError(job.slot->error);
    const AdaptOptions options = AdaptOptionsOf(job);
    const auto stopped = [this] { return Stopped(); };
    if (job.kind == Job::kEpisode) {
      GBMOA_ASSIGN_OR_RETURN(const Episode episode, world_.few_shot(cell->shots, cell->draw));
      cell->task = episode.task;
      const TestSet test_set{episode.query_set};
      *gold = GoldText(test_set);
      return EvaluateTask(*job.slot->learner, episode.support_set, test_set, options, stopped);
    }
    if (job.kind == Job::kCandidate) *gold = GoldText(job.task->test_set);
    GBMOA_ASSIGN_OR_RETURN(const Batch support_set, job.task->support_set(cell->draw, cell->shots));
    return EvaluateTask(*job.slot->learner, support_set, job.task->test_set, options, stopped);
  }

  absl::Status RunCell(const Job& job) {
    const Clock::time_point start = Clock::now();
    Cell& cell = CellOf(job);  // no other job touches it
    std::string gold;
    absl::StatusOr<TaskRun> run = CatchExceptions([&] { return Evaluate(job, &cell, &gold); });
    if (absl::IsCancelled(run.status())) return run.status();
    cell.peak_rss_bytes = PeakResidentBytes();
    if (run.ok()) {
      cell.run = *std::move(run);
      Json json = {{"key", CellKey(job)}, {"cell", CellToJson(cell)}};
      if (job.kind == Job::kTask) {
        const std::string predictions = PredictionsText(cell.run);
        GBMOA_RETURN_IF_ERROR(WriteFileAtomically(PredictionsPath(cell), predictions));
        json["predictions_sha256"] = Sha256Hex(predictions);
      } else {
        json["predictions"] = PredictionsText(cell.run);
        json["gold"] = gold;
      }
      GBMOA_RETURN_IF_ERROR(WriteFileAtomically(CellPath(cell), absl::StrCat(json.dump(1), "\n")));
    } else {
      cell.error = run.status().ToString();
      // A failed meta-training has been told already; it need not be told again by each of its cells.
      if (job.slot->error.empty()) LOG(ERROR) << CellName(cell) << " failed: " << run.status();
    }
    progress_.Finished(job.progress_kind, SecondsSince(start), !cell.error.empty());
    if (job.kind != Job::kCandidate) return absl::OkStatus();
    std::lock_guard<std::mutex> lock(mutex_);
    if (--job.search->left == 0) Choose(job.search);
    return absl::OkStatus();
  }

  const Table& table_;
  const Profile& profile_;
  const bool quick_;
  const TableWorld& world_;
  const RunnerOptions& options_;
  Progress progress_;

  std::vector<const EvalTask*> tasks_, development_tasks_, missing_development_;
  std::string no_development_;  // why no development task of the grid is there; empty: one is, or there is no grid
  std::list<Slot> slots_;       // a list, so that jobs can point into it
  std::list<Search> searches_;  // likewise
  // By meta-training and candidate of the grid: of the rows, and of the starts of the few-shot part.
  std::map<std::string, std::vector<std::vector<Slot*>>> row_slots_, starts_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Job> pending_;  // guarded by mutex_, as are fatal_, Slot::ready, Search::left and Selection::chosen
  int64_t other_cells_ = 0;
  absl::Status fatal_;
  TableRun run_;  // sized before the workers start; each job writes its own element
};

}  // namespace

absl::StatusOr<TableRun> RunTable(const Table& table, const Profile& profile, bool quick, const TableWorld& world,
                                  const RunnerOptions& options) {
  CHECK(!profile.has_not_attempted()) << profile.name();
  CHECK_GE(options.threads, 1);
  return Runner(table, profile, quick, world, options).Run();
}

}  // namespace gbmoa
