/* Any bytes as an answer of a cluster: the first chooses the HTTP status, the second whether it is an event's. What is
 * told is printable. */
#include "wire/json.h"
#include "wire/kubernetes_answer.h"
#include "wire/kubernetes_exec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int codes[] = {200, 201, 302, 400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 502, 503, 504};
    if (size < 2)
        return 0;
    ns_kubernetes_verdict verdict = {.status = NS_OK};
    ns_text body = {(const char *)data + 2, size - 2};
    json_t *root = NULL;
    if ((data[1] & 1u) == 0)
        ns_kubernetes_judge(codes[data[0] & 15u], body, body, "GET pods", &verdict);
    else if (ns_json_read(body, &root, NULL) == NS_OK)
        ns_kubernetes_judge_event(root, "watch pods", &verdict);
    json_decref(root);
    NS_CHECK(verdict.status == NS_OK || verdict.error.text[0] != '\0');
    for (const char *c = verdict.error.text; *c != '\0'; c++)
        NS_CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
    ns_kubernetes_credential credential;
    if (ns_kubernetes_credential_read(body, &credential, &verdict.error) == NS_OK)
        ns_kubernetes_credential_clear(&credential);
    return 0;
}
