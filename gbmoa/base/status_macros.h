// Early return for absl::Status and absl::StatusOr, until the Abseil we build with has its own.
#ifndef GBMOA_BASE_STATUS_MACROS_H_
#define GBMOA_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Evaluates `expr`, an absl::Status, and returns it from the enclosing function unless it is OK.
#define GBMOA_RETURN_IF_ERROR(expr)                \
  do {                                             \
    absl::Status gbmoa_status_ = (expr);           \
    if (!gbmoa_status_.ok()) return gbmoa_status_; \
  } while (false)

// Evaluates `expr`, an absl::StatusOr<T>; returns its status on failure, else moves the value into `lhs`, which may
// declare a variable: GBMOA_ASSIGN_OR_RETURN(Vocabulary vocabulary, ReadVocabulary(path));
#define GBMOA_ASSIGN_OR_RETURN(lhs, expr) \
  GBMOA_ASSIGN_OR_RETURN_IMPL_(GBMOA_CONCAT_(gbmoa_status_or_, __LINE__), lhs, expr)

#define GBMOA_ASSIGN_OR_RETURN_IMPL_(result, lhs, expr) \
  auto result = (expr);                                 \
  if (!result.ok()) return std::move(result).status();  \
  lhs = *std::move(result)
#define GBMOA_CONCAT_(a, b) GBMOA_CONCAT_IMPL_(a, b)
#define GBMOA_CONCAT_IMPL_(a, b) a##b

#endif  // GBMOA_BASE_STATUS_MACROS_H_
