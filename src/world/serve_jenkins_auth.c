/* Who asks of Jenkins, and may they: HTTP Basic, sessions, crumbs, and Jenkins' pages of trouble. */
#include "world/serve_internal.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define COOKIE_NAME "JSESSIONID.world"

void ns_served_error(ns_serve_reply *reply, int code, const char *message)
{
    char page[1024];
    (void)snprintf(page, sizeof page,
                   "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n"
                   "<title>Error %d</title>\n</head>\n<body><h2>HTTP ERROR %d %s</h2>\n<hr/>Powered by Jetty\n</body>\n"
                   "</html>\n",
                   code, code, message);
    ns_serve_text(reply, code, "text/html;charset=iso-8859-1", page);
}

/* Constant time, so that a test of ours shows the habit too. */
static bool same_secret(const char *a, const char *b)
{
    size_t len = strlen(a);
    return len > 0 && len == strlen(b) && sodium_memcmp(a, b, len) == 0;
}

static void forbid_anonymous(ns_serve_reply *reply, const ns_serve_request *request, const char *permission)
{
    ns_serve_header(reply, "X-You-Are-Authenticated-As", "%s", request->user);
    ns_serve_header(reply, "X-You-Are-In-Group-Disabled",
                    "JENKINS-39402: use -Dhudson.security.AccessDeniedException2.REPORT_GROUP_HEADERS=true");
    ns_serve_header(reply, "X-Required-Permission", "%s", permission);
    ns_serve_text(reply, 403, "text/html;charset=utf-8",
                  "<html><head><meta http-equiv='refresh' content='1;url=/jenkins/login?from=%2Fjenkins%2F'/>"
                  "<script id='redirect' data-redirect-url='/jenkins/login?from=%2Fjenkins%2F'></script></head>"
                  "<body style='background-color:white; color:white;'>Authentication required</body></html>\n");
}

static void refuse_credentials(ns_serve_reply *reply)
{
    ns_serve_header(reply, "WWW-Authenticate", "%s", "Basic realm=\"Jenkins\"");
    ns_served_error(reply, 401, "Unauthorized");
}

/* Takes "user:secret" out of the header; false when there is none or it cannot be read. */
static bool basic_of(const ns_serve_request *request, char *plain, size_t size, char **secret, bool *present)
{
    ns_text value;
    size_t len = 0;
    *present = ns_exchange_header(request->exchange, "Authorization", &value);
    if (!*present || value.len < 6 || strncasecmp(value.at, "Basic ", 6) != 0)
        return false;
    ns_text code = ns_text_trim((ns_text){value.at + 6, value.len - 6});
    if (sodium_base642bin((unsigned char *)plain, size - 1, code.at, code.len, NULL, &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return false;
    plain[len] = '\0';
    char *colon = strchr(plain, ':');
    if (colon == NULL)
        return false;
    *colon = '\0';
    *secret = colon + 1;
    return true;
}

bool ns_served_admits(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply)
{
    char plain[512], *secret = NULL;
    bool present = false;
    (void)snprintf(request->user, sizeof request->user, "anonymous");
    if (ns_serve_fault_due(server, NS_SERVE_unauthorized)) {
        refuse_credentials(reply);
        return false;
    }
    if (basic_of(request, plain, sizeof plain, &secret, &present)) {
        bool token = !server->closed || same_secret(secret, server->jenkins_token);
        bool good = !server->closed || (strcmp(plain, server->jenkins_user) == 0 &&
                                        (token || same_secret(secret, server->jenkins_password)));
        if (!good || plain[0] == '\0' || secret[0] == '\0') {
            refuse_credentials(reply);
            return false;
        }
        (void)ns_text_copy(request->user, sizeof request->user, ns_text_of(plain));
        request->by_token = token;
        request->authenticated = true;
        return true;
    }
    if (present) {
        refuse_credentials(reply);
        return false;
    }
    bool login_page = NS_SERVE_PATH_IS(request, 0, "login");
    if (server->closed && !login_page)
        forbid_anonymous(reply, request, "hudson.model.Hudson.Read");
    return !server->closed || login_page;
}

/* ---- crumbs ------------------------------------------------------------------------------------------------------ */

/* The session cookie's value; false: none was sent. */
static bool session_of(const ns_serve_request *request, char *out, size_t size)
{
    ns_text cookies;
    if (!ns_exchange_header(request->exchange, "Cookie", &cookies))
        return false;
    ptrdiff_t at = ns_text_find(cookies, COOKIE_NAME "=");
    if (at < 0)
        return false;
    size_t skip = (size_t)at + sizeof COOKIE_NAME;
    ns_text rest = {cookies.at + skip, cookies.len - skip};
    size_t len = 0;
    while (len < rest.len && rest.at[len] != ';' && rest.at[len] != ' ')
        len++;
    return len > 0 && ns_text_copy(out, size, (ns_text){rest.at, len});
}

/* Bound to user and session, as Jenkins' default issuer has it. */
static void crumb_of(const ns_world_server *server, const char *user, const char *session, char out[65])
{
    unsigned char hash[32];
    char text[256];
    int len = snprintf(text, sizeof text, "%s;%s", user, session);
    (void)crypto_generichash(hash, sizeof hash, (const unsigned char *)text, (unsigned long long)len, server->secret,
                             sizeof server->secret);
    (void)sodium_bin2hex(out, 65, hash, sizeof hash);
}

void ns_served_crumb(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply)
{
    char session[64], crumb[65];
    if (!session_of(request, session, sizeof session)) {
        unsigned char random[16];
        randombytes_buf(random, sizeof random);
        (void)sodium_bin2hex(session, sizeof session, random, sizeof random);
        ns_serve_header(reply, "Set-Cookie", COOKIE_NAME "=%s; Path=/jenkins; HttpOnly", session);
    }
    crumb_of(server, request->user, session, crumb);
    ns_serve_json(reply, 200,
                  json_pack("{s:s,s:s,s:s}", "_class", "hudson.security.csrf.DefaultCrumbIssuer", "crumb", crumb,
                            "crumbRequestField", "Jenkins-Crumb"));
}

bool ns_served_crumb_ok(ns_world_server *server, const ns_serve_request *request, ns_serve_reply *reply)
{
    char session[64], wanted[65], given[65] = "";
    ns_text sent;
    if (request->by_token)
        return true;
    if (ns_exchange_header(request->exchange, "Jenkins-Crumb", &sent))
        (void)ns_text_copy(given, sizeof given, sent);
    if (session_of(request, session, sizeof session)) {
        crumb_of(server, request->user, session, wanted);
        if (same_secret(given, wanted))
            return true;
    }
    ns_served_error(reply, 403, "No valid crumb was included in the request");
    return false;
}
