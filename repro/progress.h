// How far a long run is, for whoever waits: a bar on a terminal, now and then a log line elsewhere.
#ifndef GBMOA_REPRO_PROGRESS_H_
#define GBMOA_REPRO_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace gbmoa {

// Thread-safe. Jobs of one kind are taken to last equally long; a kind of which nothing is known yet, as long as the
// average job of its sort, or of all sorts if nothing is known of that either.
class Progress {
 public:
  struct Options {
    bool terminal = false;
    int workers = 1;
    std::function<double()> now;                         // seconds; the default is a steady clock
    std::function<void(const std::string& text)> write;  // the default writes to standard error, or to the log
  };
  explicit Progress(Options options);

  void AddJobs(const std::string& kind, int64_t count, const std::string& sort = "");
  // One of them has turned out to need no work.
  void NotNeeded(const std::string& kind);
  void Finished(const std::string& kind, double seconds, bool failed);
  // A job that runs says how much of it is done.
  void Running(const std::string& job, const std::string& kind, double share, double seconds,
               const std::string& detail);
  // Ends the bar's line.
  void Close();

  // "about 3 min left", "" while nothing has finished.
  std::string TimeLeft() const;

 private:
  struct Kind {
    std::string sort;
    int64_t pending = 0, finished = 0;
    double seconds = 0;
  };
  struct Part {
    std::string kind;
    double share = 0, seconds = 0;
  };
  std::string TimeLeftLocked() const;
  void Show(const std::string& detail, bool force);

  Options options_;
  mutable std::mutex mutex_;
  std::map<std::string, Kind> kinds_;
  std::map<std::string, Part> running_;
  int64_t total_ = 0, finished_ = 0, failed_ = 0;
  double last_shown_ = -1e9;
  bool line_open_ = false;
};

// "45 s", "3 min", "2 h 10 min".
std::string DurationText(double seconds);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_PROGRESS_H_
