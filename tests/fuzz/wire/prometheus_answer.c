/* Any bytes as an answer of Prometheus: the first chooses the HTTP status. Every series can be read, none is infinite.
 */
#include "wire/prometheus_answer.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int codes[] = {200, 204, 302, 400, 401, 403, 404, 405, 422, 429, 500, 502, 503, 504, 100, 599};
    if (size < 1)
        return 0;
    ns_prometheus_answer answer;
    ns_prometheus_read(codes[data[0] & 15u], (ns_text){(const char *)data + 1, size - 1}, &answer);
    NS_CHECK(answer.status == NS_OK || (answer.series == 0 && answer.error.status == answer.status));
    for (size_t i = 0; i < answer.series; i++) {
        ns_text name;
        ns_value v = ns_prometheus_series(&answer, i, "deployment", &name);
        NS_CHECK(isnan(v.value) ? v.at_ms == -1 : isfinite(v.value));
    }
    ns_prometheus_answer_clear(&answer);
    return 0;
}
