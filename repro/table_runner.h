// Runs the cells of a table: every row, task and draw once, on a pool of workers, resumable at any moment.
#ifndef GBMOA_REPRO_TABLE_RUNNER_H_
#define GBMOA_REPRO_TABLE_RUNNER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gbmoa/task/episode.h"
#include "gbmoa/task/learner.h"
#include "repro/cell.h"
#include "repro/selection.h"
#include "repro/table.pb.h"

namespace gbmoa {

// A task with a fixed test set and many draws of a support set.
struct EvalTask {
  std::string name, suite;
  TestSet test_set;
  std::function<absl::StatusOr<Batch>(int draw, int shots)> support_set;
  // No example of it is in a test set, and it is in no suite that is judged: settings may be chosen on it.
  bool development = false;
  std::string subset;   // what is missing to the official task's data, "train: 8,999 of 104,743 rows"; empty: nothing
  std::string missing;  // why the task cannot be run, "MISSING_DATA: ..."; its cells are not attempted then
  std::vector<std::pair<std::string, std::string>> inputs;  // name, SHA-256: what only this task's cells depend on
};

// What a profile's table is run on. Everything is a function of its arguments and called from several threads.
struct TableWorld {
  std::vector<EvalTask> tasks;
  std::shared_ptr<const EpisodeSource> meta_train_tasks;  // may be null if no row meta-learns
  // Episode number `index` with `shots` examples a class.
  std::function<absl::StatusOr<Episode>(int shots, int index)> few_shot;
  std::function<absl::StatusOr<std::unique_ptr<Learner>>(const std::string& method, const LearnerOptions& options)>
      make_learner;
  std::string few_shot_missing;               // why there are no episodes, "MISSING_DATA: ..."; empty: there are
  std::vector<std::string> meta_train_names;  // what meta-training tasks are made of, for the split that is printed
  std::vector<std::pair<std::string, std::string>> inputs;           // name, SHA-256
  std::vector<std::pair<std::string, std::string>> few_shot_inputs;  // likewise: what only episodes depend on
  std::map<std::string, std::string> environment;                    // e.g. "torch": "2.11.0", "precision": "bf16"
};

struct RunnerOptions {
  std::string out;                        // folder; finished cells lie in out/cells, meta-trained states in out/meta
  int threads = 1;                        // workers; each runs one job at a time
  bool fresh = false;                     // ignores what an earlier run left in `out`
  std::string key;                        // of everything that all cells depend on: program, inputs
  std::function<void()> on_worker_start;  // runs in every worker, e.g. to make its operators single-threaded
  std::function<bool()> stopped;          // asked before every job and at every mark
  bool terminal = false;                  // progress as a bar on standard error; else as log lines
};

struct MetaTraining {
  std::string row;
  int seed = 0;
  int64_t steps = 0;
  int64_t tasks = 0;  // visited; 0: the learner did not tell
  double seconds = 0;
  double first_loss = 0, last_loss = 0;  // mean query loss of the first and the last tenth of the steps
  bool reused = false;                   // an earlier run's
  std::string events;                    // folder of TensorBoard's event files, below `out`; empty: none
  std::string error;                     // empty, or why the row's cells failed
};

// What results say of a task, whichever row is run on it.
struct TaskFacts {
  std::string name, suite;
  bool development = false;
  std::string subset, missing;  // as of EvalTask
  int64_t num_test = 0;
  std::vector<std::string> metrics, official_metrics;
};

struct TableRun {
  std::vector<TaskFacts> tasks;               // that are run, development tasks after the others
  std::vector<TaskFacts> left_out_tasks;      // of the profile's suites, that a quick run has no cells of
  std::vector<std::string> meta_train_tasks;  // as the world names them; none of them is among `tasks`
  std::vector<Cell> cells;  // in the order row, task, draw; then the few-shot part by start, shots, replicate, episode
  std::vector<Selection> selections;  // of the rows with a grid, their cells in the order task, draw
  std::vector<MetaTraining> meta_trainings;
  std::map<std::string, bool> meta_learns;  // by row
  int64_t reused_cells = 0;                 // those of the grids are counted, too
  int64_t peak_rss_bytes = 0;
};

// Draw d of the table gives every row the same support set and the seed d, and a meta-learning row its meta-training
// d mod meta_seeds. Every start of the few-shot part sees the same episodes meta_seeds times: with one meta-training
// after the other where its row meta-learns, else with as many adaptation seeds. Cells do not depend on the number of
// workers or on the order of jobs, apart from times.
//
// The cells of a task that is missing are not attempted, and say why; so are those of a row whose grid has no
// development task that is there. Predictions of the final models are kept: of a task in out/predictions, beside the
// true labels; of episodes and of candidates of a grid in the cell's own file.
//
// A row with a grid is run on the grid's development tasks first, once for each candidate, and then on everything else
// with the options that this chooses (ChooseCandidate), as if they had been given. A candidate with a failed adaptation
// is not chosen; where all have one, the row's cells fail. The choice follows from the cells' files alone.
//
// What is finished is used again as long as all settings that it depends on stay the same; notes and expected values
// are none. A cell whose learner returns an error is a cell with an error, and is tried again by the next run. Besides
// a meta-trained state lies NAME-order.json: the tasks in the order in which they were visited, with their
// difficulties; and NAME-events, the course of the training for TensorBoard. Errors: InvalidArgument for a method that
// does not exist or refuses its options, a suite without tasks, an unknown quick task, a task that is there twice or is
// meta-trained on, a grid's task that is unknown or not a development task, a grid over options that meta-training
// reads; NotFound never; FailedPrecondition if another run holds `out`; PermissionDenied or Unknown if
// `out` cannot be written; Cancelled when stopped.
absl::StatusOr<TableRun> RunTable(const Table& table, const Profile& profile, bool quick, const TableWorld& world,
                                  const RunnerOptions& options);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_TABLE_RUNNER_H_
