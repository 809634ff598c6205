#include "repro/world_parts.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "eval/episode_sampler.h"
#include "eval/wordnet.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/torch_version.h"

namespace gbmoa {
namespace {

// What the episodes are a function of; those for testing take another one.
constexpr uint64_t kTrainSeed = 2;

}  // namespace

absl::StatusOr<std::shared_ptr<const Tokenizer>> AddEncoder(const std::string& folder, const std::string& precision,
                                                            TableWorld* world) {
  std::string path = folder;
  if (path.empty()) {
    GBMOA_ASSIGN_OR_RETURN(path, BundledBackboneFolder());
  }
  Precision products = FastestPrecision();
  if (!precision.empty()) {
    GBMOA_ASSIGN_OR_RETURN(products, ParsePrecision(precision));
  }
  GBMOA_ASSIGN_OR_RETURN(const std::shared_ptr<const Backbone> backbone, Backbone::Load(path, products));
  GBMOA_ASSIGN_OR_RETURN(std::shared_ptr<const Tokenizer> tokenizer, LoadTokenizer(path));
  world->make_learner = [backbone](const std::string& method, const LearnerOptions& options) {
    return LearnerRegistry::Global().Create(method, backbone, options);
  };
  for (const char* file : {"config.json", "model.safetensors", "vocab.txt", "vocab.json", "merges.txt",
                           "tokenizer.json", "tokenizer_config.json"}) {
    const std::string part = JoinPath(path, file);
    if (!FileExists(part)) continue;
    GBMOA_ASSIGN_OR_RETURN(const std::string sha256, Sha256HexOfFile(part));
    world->inputs.emplace_back(absl::StrCat("encoder ", file), sha256);
  }
  const char* const name = products == Precision::kBFloat16  ? "bf16"
                           : products == Precision::kFloat64 ? "fp64"
                                                             : "fp32";
  // Numbers depend on it, so that finished cells of another precision are not taken for this run's.
  world->inputs.emplace_back("precision", name);
  world->environment["precision"] = name;
  world->environment["cuda"] = "not used";
  world->environment["torch"] = TorchVersion();
  return tokenizer;
}

absl::StatusOr<WordNetTexts> AddWordNet(const Tokenizer& tokenizer, TableWorld* world) {
  GBMOA_ASSIGN_OR_RETURN(const std::string folder, BundledWordNetFolder());
  GBMOA_ASSIGN_OR_RETURN(WordNet wordnet, WordNet::Load(folder));
  WordNetTexts texts;
  GBMOA_ASSIGN_OR_RETURN(texts.corpus, DeskCorpus::Build(std::make_shared<const WordNet>(std::move(wordnet))));
  GBMOA_ASSIGN_OR_RETURN(TokenTable tokens, TokenTable::Encode(tokenizer, texts.corpus->texts(), kDeskMaxTokens));
  texts.table = std::make_shared<const TokenTable>(std::move(tokens));
  for (const char* file : {"data.noun", "data.verb"}) {
    GBMOA_ASSIGN_OR_RETURN(const std::string sha256, Sha256HexOfFile(JoinPath(folder, file)));
    world->inputs.emplace_back(absl::StrCat("WordNet ", file), sha256);
  }
  world->inputs.emplace_back("corpus", absl::StrFormat("%016x", texts.corpus->Fingerprint()));
  return texts;
}

absl::Status AddMetaTrainTasks(const WordNetTexts& texts, const MetaTrainTasks& wanted, TableWorld* world) {
  DeskEpisodeOptions options;
  options.split = DeskSplit::kTrain;
  options.seed = kTrainSeed;
  if (wanted.shapes_size() > 0) options.shapes.clear();
  for (const MetaTrainTasks::Shape& shape : wanted.shapes()) options.shapes.push_back({shape.ways(), shape.shots()});
  if (wanted.query_per_class() > 0) options.query_per_class = wanted.query_per_class();
  if (wanted.pair_shots() > 0) options.pair_shots = wanted.pair_shots();
  if (wanted.pair_query_per_class() > 0) options.pair_query_per_class = wanted.pair_query_per_class();
  GBMOA_ASSIGN_OR_RETURN(world->meta_train_tasks, DeskEpisodeSource::Create(texts.corpus, texts.table, options));
  for (const DeskFamily family : options.families) {
    world->meta_train_names.push_back(absl::StrCat("wordnet/", DeskFamilyName(family)));
  }
  return absl::OkStatus();
}

}  // namespace gbmoa
