// SPDX-License-Identifier: Apache-2.0
// Facts about Lathe itself.
#include "api/api_state.h"
#include "base/log.h"
#include "ops/op.h"

namespace lathe {

std::vector<OpDescription> operators() {
  std::vector<OpDescription> all;
  for (const OpDef* def : all_ops()) {
    OpDescription d{std::string(def->name),
                    std::string(def->operands),
                    std::string(def->results),
                    std::string(def->doc),
                    {}};
    for (const AttrDef& a : def->attrs) {
      d.attributes.push_back(fmt::format("{}: {}{}{}", a.name, to_string(a.kind),
                                         a.default_text.empty() ? "" : " = ", a.default_text));
    }
    all.push_back(std::move(d));
  }
  return all;
}

void set_log_sink(void (*sink)(void* user, int level, const char* message), void* user) {
  send_log_to(sink, user);
}

const char* version() { return LATHE_VERSION; }

}  // namespace lathe
