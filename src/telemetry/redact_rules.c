#include "telemetry/redact_rules.h"

#include "base/status.h"

/* What may end a value. */
#define END "(?=[.!?]?(?:[\"'`\\s,;&)\\]}<\\\\]|$))"

/* Words that begin a sentence about a secret, in messages and validation texts. */
#define VERBS                                                                                                          \
    "must|is|are|was|were|cannot|can't|should|shall|will|would|may|might|not|invalid|incorrect|missing|expired|"       \
    "failed|has|had|does|did|required|requires"
/* Words that stand where a value might, in sentences and help texts. */
#define PROSE                                                                                                          \
    "(?:" VERBS "|be|been|can|could|wrong|failure|error|have|for|from|with|without|and|or|to|in|"                      \
    "on|of|at|by|as|the|an?|this|that|it|if|when|found|changed|updated|reset|do|flag|option|value|string|"             \
    "strings|stringArray|int|bool|file|path|text|set|unset|too|contains?|length|authentication|prompt|needed|"         \
    "provided|given|accepted|rejected|denied|used|using|deprecated|enabled|disabled|configured|supplied|optional|"     \
    "stdin|here|your|identifier|expected|unexpected|got|login)"

/* Values that are no secret: nothing, masks, variables and place holders that a shell or template fills in later. */
#define NOTHING                                                                                                        \
    "(?:\\?|null|nil|none|undefined|true|false|yes|no|off|empty|n/a|masked|hidden|redacted|\\*+|x{3,}|\\.{2,}|-+|"     \
    "\\[redacted\\]|\\$\\{[^}\\r\\n]{0,200}\\}|(?-i:\\$[A-Z0-9_]+|\\$[A-Za-z_]+)|%\\w+%|<[\\w ./-]{1,60}>|"            \
    "\\[\\w{1,30}\\])" END "|\\$\\(|\\$\\{\\{|\\{\\{|<%|@[\\w.]+@|"                                                    \
    "(?:process\\.env|os\\.environ|os\\.getenv|System\\.getenv|import\\.meta|env|vars|secrets|config|self|this|"       \
    "params|request|req|options|opts|args|props|settings)[.\\[(]"
#define HARMLESS NOTHING "|(?:\\d{1,2}|" PROSE ")" END

/* An unquoted value up to a blank or quote; '&' ends it only before the next parameter of a query, closing brackets
 * and commas only where nothing follows. */
#define UNQUOTED "(?:[^\\s\"'`<>&\\\\]|&(?![\\w.-]{1,64}=)|\\\\(?![\"'nrt]))"
#define VALUE    "(?:[^\\s\"'`<>&\\\\),;\\]}]++|[),;\\]}]++(?=[^\\s\"'`<>&\\\\])|&(?![\\w.-]{1,64}=)|\\\\(?![\"'nrt]))++"

/* A value in quotes, quotes in JSON inside a string included; an unclosed quote reaches to the end of the line. */
#define NO_TEXT "(?!" NOTHING "|(?:" VERBS ")\\s)"
#define QUOTED                                                                                                         \
    "(?|\\\\\"" NO_TEXT "([^\"\\\\\\r\\n]++)|\"" NO_TEXT "((?:[^\"\\\\\\r\\n]++|\\\\.)++)|"                            \
    "'" NO_TEXT "((?:[^'\\\\\\r\\n]++|\\\\.)++))"

#define KEY_TAIL "(?:[_-]?\\d{1,2}|[_-](?:value|string|text|raw|b64|base64))?(?:\\\\?[\"'])?"
/* := and => assign, == and :: do not. */
#define ASSIGNS  "(?:=>|:=|=(?![=~])|:(?![:=/]))"
/* An expression of a program, echoed by a compiler: a call, an index. */
#define NO_CALL  "(?![A-Za-z_][\\w.$>:-]{0,200}(?:\\([^\\r\\n]{0,500}\\)|\\[[^\\r\\n]{0,200}\\]))"
/* "Unexpected token: x" is a parser speaking. */
#define NOT_A_PARSER                                                                                                   \
    "(?<!unexpected )(?<!expected )(?<!illegal )(?<!invalid )(?<!unknown )(?<!missing )(?<!unrecognized )"             \
    "(?<!bad )(?<!next )(?<!near )(?<!last )(?<!current )(?<!stray )(?<!at )"

#define PASSWORD "(?:pass(?:word|wd|phrase|code))"
#define TOKEN    "(?:token|secret|credentials?|\\b_auth)"
#define KEY                                                                                                            \
    "(?:(?:api|access|secret|private|signing|encryption|account|auth|shared|storage|master|deploy|license|ssh|"        \
    "subscription|service|consumer|session|hmac)[-_. ]?key)"

#define PASSWORD_MARKS "assw sphr ssph ssco"
#define TOKEN_MARKS    "oken ecre cred _aut"

/* Weak names (token, key) are common words: unquoted values must look like more than a word. */
#define WEAK_ASSIGNMENT(word)                                                                                          \
    "(?|" word KEY_TAIL "(?|\\s{0,8}(?:=>|:=|=(?![=~]))\\s{0,8}" QUOTED "|=(?![=~>])(?!" NOTHING "|\\d{1,6}" END       \
    "|(?:[~.]?/|[A-Za-z]:\\\\)[\\w./\\\\~-]{0,200}\\.\\w{1,5}" END ")" NO_CALL "(?=" UNQUOTED "{4})(" VALUE            \
    "))|" NOT_A_PARSER word KEY_TAIL "(?|\\s{0,8}:(?![:=/])\\s{0,8}" QUOTED "|:(?![:=/])\\s{0,8}+(?!" HARMLESS         \
    "|[~.]?/)(?=[^\\s\\d]{0,200}\\d)(?=" UNQUOTED "{8})" NO_CALL "(" VALUE ")"                                         \
    "|\\s{1,8}=(?![=~>])\\s{1,8}+(?!" HARMLESS ")(?=[^\\s\\d]{0,200}\\d)" NO_CALL                                      \
    "([^\\s\"'();,\\[\\]{}<>]{8,})(?=\\s*;?\\s*$)))"

const ns_redact_rule ns_redact_rules[] = {
    {"url", "://?",
     "://(?!\\$\\{?\\w+\\}?:\\$|\\*+:\\*+@|<|\\[redacted\\]@)(?|([^\\s/@:\"'<>?#]{0,256}:[^\\s/\"'<>]{1,2048})|"
     "([^\\s/@:\"'<>?#]{16,256}))@(?=[\\w\\[.-])"},
    {"authorization", "utho",
     "\\b(?:proxy-)?authorization\\\\?[\"']?\\s{0,4}+[:=]\\s{0,4}\\\\?[\"']?(?|(?:digest|negotiate|ntlm|"
     "aws4-hmac-sha256|oauth)\\s+([^\\r\\n\"']{8,})|(?:basic|bearer|token|apikey|key)\\s+(?!" HARMLESS
     ")([^\\s\"'\\\\]{4,})|(?!" HARMLESS ")(?=[^\\s\\d]{0,300}\\d)([^\\s\"'\\\\]{8,}))"},
    {"bearer", "eare", "\\bbearer\\s{1,4}(?=[^\\s\\d]{0,300}\\d)([\\w.~+/-]{12,}={0,2})"},
    {"basic", "asic",
     "\\b(?-i:Basic)\\s{1,4}(?-i:(?=[A-Za-z0-9+/]{0,200}[A-Z])(?=[A-Za-z0-9+/]{0,200}[a-z])"
     "(?=[A-Za-z0-9+/]{0,400}[0-9=]))([A-Za-z0-9+/]{12,}={0,2})"},
    {"cookie", "ooki", "\\b(?:set-)?cookie\\\\?[\"']?:\\s{0,4}+[\"']?(?=[^\\s=]{1,200}=)([^\\r\\n\"']{8,})"},
    {"password", PASSWORD_MARKS,
     PASSWORD KEY_TAIL "(?|\\s{0,8}" ASSIGNS "\\s{0,8}" QUOTED "|(?:=(?![=~>])(?!" NOTHING
                       ")|(?:=>|:(?![:=]))\\s{0,8}+(?!" HARMLESS
                       "))(?!(?:[~.]?/|[A-Za-z]:\\\\)[\\w./\\\\~-]{0,200}\\.\\w{1,5}" END ")" NO_CALL "(" VALUE ")"
                       "|\\s{1,8}=(?![=~>])\\s{1,8}+(?!" HARMLESS ")(?=[^\\s\\d]{0,200}\\d)" NO_CALL
                       "([^\\s\"'();,\\[\\]{}<>]{6,})(?=\\s*;?\\s*$))"},
    {"pwd", "?pwd pwd?",
     "(?<![A-Za-z])(?:\\w{0,40}_)?pwd\\\\?[\"']?(?|\\s{0,4}" ASSIGNS "\\s{0,4}" QUOTED
     "|(?:=(?![=~>])|:(?![:=])\\s{0,4}+)(?!" HARMLESS "|[/.~`$]|[A-Za-z]:[\\\\/])(" VALUE "))"},
    {"token", TOKEN_MARKS, WEAK_ASSIGNMENT(TOKEN)},
    {"key", "?key", WEAK_ASSIGNMENT(KEY)},
    {"login", "logi", "\\bsonar\\.login=(?!" HARMLESS ")(" VALUE ")"},
    {"option", PASSWORD_MARKS " " TOKEN_MARKS " ?key -pas",
     "(?<![\\w-])--?(?:[A-Za-z][\\w.-]{0,40}[-_.])?(?:" PASSWORD "|pass|" TOKEN "|" KEY ")[\"']?,?\\s{1,8}+(?|" QUOTED
     "|(?!-|\\||(?-i:[A-Z][A-Z_]*)" END "|" HARMLESS ")(?=" UNQUOTED "{4})(" VALUE "))"},
    {"command", "curl wget doco dock sshp mysq podm helm skop",
     "(?|\\b(?:curl|wget)\\b[^\\r\\n]{0,1000}?\\s(?:-u|--user|--proxy-user)[= ]?\\s{0,4}+[\"']?(?![^\\s:]{0,80}:\\$)"
     "([^\\s\"':/]{1,128}:(?!\\*+" END ")[^\\s\"']{1,256})"
     "|\\b(?:docker|podman|helm|skopeo)\\b[^\\r\\n]{0,300}?\\blogin\\b[^\\r\\n]{0,300}?\\s-p[= "
     "]?\\s{0,4}+[\"']?(?!" HARMLESS ")([^\\s\"']{1,256})"
     "|\\bsshpass\\s+-p\\s{0,4}+[\"']?(?!" HARMLESS ")([^\\s\"']{1,256})"
     "|\\bmysql(?:dump|admin)?\\b[^\\r\\n]{0,300}?\\s-p(?!" HARMLESS ")([^\\s\"']{1,256}))"},
    {"xml", PASSWORD_MARKS " " TOKEN_MARKS " ?key",
     "<[\\w.:-]{0,64}?(?:" PASSWORD "|" TOKEN "|" KEY ")(?:\\s[^<>]{0,200})?>\\s{0,8}+(?!" HARMLESS
     ")([^<>\\r\\n]{1,4096})</"},
    {"signed_url", "sig= amz- hook",
     "(?|[?&]sig=([^&\\s\"']{16,})|x-amz-signature=([0-9a-f]{16,})|hooks\\.slack\\.com/\\w+/([\\w/-]{16,})|"
     "discord(?:app)?\\.com/api/webhooks/([\\w/-]{16,}))"},
    {"service_token",
     "akia asia abia acca gh?_ b_pa lpat glrt gldt lcbt lptt glft limt lage lsoa npm_ xox? xapp aiza ya29 ocsp k_li "
     "k_te ypi- ckr_ hf_? _v1_ hv?. sq?_ shpa sk-? dapi 11## ret- sg.?",
     "(?<![A-Za-z0-9])(?-i:A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])|gh[pousr]_[A-Za-z0-9]{30,}|"
     "github_pat_\\w{30,}|gl(?:pat|rt|dt|cbt|ptt|ft|imt|agent|soat)-[\\w.-]{20,}|npm_[A-Za-z0-9]{36}|"
     "xox[abeoprs]-[\\w-]{10,}|xapp-\\d-[\\w-]{10,}|AIza[\\w-]{35}|ya29\\.[\\w-]{20,}|GOCSPX-[\\w-]{20,}|"
     "[sr]k_(?:live|test)_\\w{16,}|pypi-AgE[\\w-]{20,}|dckr_(?:pat|oat)_[\\w-]{20,}|"
     "SG\\.[\\w-]{16,}\\.[\\w-]{16,}|hf_[A-Za-z0-9]{30,}|do[opr]_v1_[0-9a-f]{40,}|hv[sbr]\\.[\\w-]{20,}|"
     "sq[pau]_[0-9a-f]{40}|shpat_[0-9a-f]{32}|sk-(?:ant-|proj-)?(?=[\\w-]{0,60}\\d)[\\w-]{32,}|dapi[0-9a-f]{32}|"
     "11[0-9a-f]{32}(?![A-Za-z0-9])|AGE-SECRET-KEY-1[A-Z0-9]{20,})"},
    {"jwt", "eyj?", "(?<![A-Za-z0-9])(?-i:eyJ[\\w-]{8,1024}\\.(?:eyJ[\\w-]*|[\\w-]{16,2048}\\.)[\\w.-]*)"},
};

const size_t ns_redact_rule_count = NS_COUNT_OF(ns_redact_rules);
