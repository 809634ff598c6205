#include "repro/progress.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

constexpr double kBarSeconds = 0.2, kLogSeconds = 10;

// What is known of how long jobs last.
struct Known {
  double seconds = 0, jobs = 0;
  void Add(const Known& other) {
    seconds += other.seconds;
    jobs += other.jobs;
  }
};

double SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::string DurationText(double seconds) {
  const auto s = static_cast<int64_t>(std::llround(std::max(0.0, seconds)));
  if (s < 60) return absl::StrCat(s, " s");
  const int64_t minutes = (s + 30) / 60;
  if (minutes < 60) return absl::StrCat(minutes, " min");
  return absl::StrCat(minutes / 60, " h ", minutes % 60, " min");
}

Progress::Progress(Options options) : options_(std::move(options)) {
  if (!options_.now) options_.now = SteadySeconds;
  if (!options_.write) {
    if (options_.terminal) {
      options_.write = [](const std::string& text) {
        std::fputs(text.c_str(), stderr);
        std::fflush(stderr);
      };
    } else {
      options_.write = [](const std::string& text) { LOG(INFO) << text; };
    }
  }
}

void Progress::AddJobs(const std::string& kind, int64_t count, const std::string& sort) {
  std::lock_guard<std::mutex> lock(mutex_);
  kinds_[kind].sort = sort;
  kinds_[kind].pending += count;
  total_ += count;
}

void Progress::NotNeeded(const std::string& kind) {
  std::lock_guard<std::mutex> lock(mutex_);
  --kinds_[kind].pending;
  --total_;
}

void Progress::Finished(const std::string& kind, double seconds, bool failed) {
  std::lock_guard<std::mutex> lock(mutex_);
  Kind& k = kinds_[kind];
  --k.pending;
  ++k.finished;
  k.seconds += seconds;
  ++finished_;
  failed_ += failed;
  Show(kind, finished_ == total_);
}

void Progress::Running(const std::string& job, const std::string& kind, double share, double seconds,
                       const std::string& detail) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (share >= 1) {
    running_.erase(job);
  } else {
    running_[job] = {kind, share, seconds};
  }
  Show(absl::StrCat(job, " ", static_cast<int>(100 * share), " %", detail.empty() ? "" : ", ", detail), false);
}

void Progress::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (line_open_) options_.write("\n");
  line_open_ = false;
}

std::string Progress::TimeLeft() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return TimeLeftLocked();
}

std::string Progress::TimeLeftLocked() const {
  // What running jobs tell of their kind: seconds that a whole one would take.
  std::map<std::string, double> whole;
  double saved = 0;
  for (const auto& [job, part] : running_) {
    if (part.share > 0) whole[part.kind] = part.seconds / part.share;
    saved += part.seconds;
  }
  const auto known = [&](const std::string& name, const Kind& kind) -> Known {
    if (kind.finished > 0) return {kind.seconds, static_cast<double>(kind.finished)};
    const auto running = whole.find(name);
    return running == whole.end() ? Known{} : Known{running->second, 1};
  };
  std::map<std::string, Known> sorts;
  Known all;
  for (const auto& [name, kind] : kinds_) {
    if (!kind.sort.empty()) sorts[kind.sort].Add(known(name, kind));
    if (kind.finished > 0) all.Add(known(name, kind));
  }
  if (all.jobs == 0 && whole.empty()) return "";
  double left = -saved;
  for (const auto& [name, kind] : kinds_) {
    Known each = known(name, kind);
    if (each.jobs == 0) each = sorts[kind.sort];
    if (each.jobs == 0) each = all;
    if (each.jobs > 0) left += each.seconds / each.jobs * static_cast<double>(kind.pending);
  }
  return absl::StrCat("about ", DurationText(left / options_.workers), " left");
}

void Progress::Show(const std::string& detail, bool force) {
  const double now = options_.now();
  if (!force && now - last_shown_ < (options_.terminal ? kBarSeconds : kLogSeconds)) return;
  last_shown_ = now;
  std::string text = absl::StrCat(finished_, " of ", total_, " jobs");
  if (failed_ > 0) absl::StrAppend(&text, ", ", failed_, " failed");
  const std::string left = TimeLeftLocked();
  if (!left.empty()) absl::StrAppend(&text, ", ", left);
  if (!options_.terminal) {
    options_.write(absl::StrCat(text, " (", detail, ")"));
    return;
  }
  constexpr int kWidth = 24;
  const int full = total_ == 0 ? 0 : static_cast<int>(kWidth * finished_ / total_);
  // \x1b[K clears what a longer line before left behind.
  options_.write(absl::StrFormat("\r[%s%s] %s, %s\x1b[K", std::string(full, '#'), std::string(kWidth - full, '.'), text,
                                 detail.substr(0, 40)));
  line_open_ = true;
}

}  // namespace gbmoa
