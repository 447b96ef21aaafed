/* What a call asks of libcurl, and an answer of what came. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "base/secret.h"
#include "control/kube/client_parts.h"
#include "text/json.h"

enum {
        BODY_BYTES_MAX = 16 << 20,
        CONNECT_MS = 10000,
        USER_TIMEOUT_MS = 30000,
        KEEPALIVE_S = 30,
        RECEIVE_BYTES = 128 * 1024, /* of one call; libcurl holds bytes back where it is full */
        MESSAGE_MAX = 700,          /* of a Status object's message, in a fault */
};

#define SET(call, option, value) must(curl_easy_setopt((call)->easy, option, value) == CURLE_OK)

/* --- bytes --- */

static void heard(struct kube_call *call)
{
        call->heard_ms = uv_now(call->client->loop);
        call->begun = true;
        call->roused = false;
        call->client->heard = true;
        call->client->suspect = false;
}

static int status_of(const struct kube_call *call)
{
        long status = 0;
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        return status >= 100 && status <= 599 ? (int)status : 0;
}

/* What is not taken whole ends the call. */
static size_t on_body(char *data, size_t size, size_t count, void *self)
{
        struct kube_call *call = self;
        struct slice bytes = slice_from(data, size * count);
        if (call->state != CALL_RUNNING || call->client->state != CLIENT_OPEN)
                return CURL_WRITEFUNC_ERROR;
        heard(call);
        if (call->request.on_bytes && status_of(call) == 200) {
                if (!call->request.on_bytes(bytes, call->request.self))
                        call->cut = CUT_ENDED;
        } else if (!buffer_append_secret(&call->gathered, bytes)) {
                call->cut = CUT_LONG;
        }
        return call->cut == CUT_NOT ? bytes.len : CURL_WRITEFUNC_ERROR;
}

/* The last line of the head is empty. */
static size_t on_header(char *data, size_t size, size_t count, void *self)
{
        struct kube_call *call = self;
        struct slice line = slice_from(data, size * count);
        int status = status_of(call);
        heard(call);
        if (call->request.on_begin && slice_is(line, "\r\n") && status >= 200 &&
            call->state == CALL_RUNNING && call->client->state == CLIENT_OPEN)
                call->request.on_begin(status, call->request.self);
        return line.len;
}

/* --- what is asked --- */

/* What was sent and is not acknowledged for that long ends the connection, and all its calls. */
static int on_connection(void *self, curl_socket_t fd, curlsocktype purpose)
{
        unsigned ms = USER_TIMEOUT_MS;
        (void)self, (void)purpose;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
        return CURL_SOCKOPT_OK;
}

/* The system's own CAs are libcurl's default where it is not told that there are none (I39). */
static void prepare_tls(struct kube_call *call)
{
        const struct kube_access *access = call->client->access;
        struct curl_blob ca = {(void *)(uintptr_t)access->ca.data, access->ca.len,
                               CURL_BLOB_NOCOPY};
        struct curl_blob certificate = {(void *)(uintptr_t)access->certificate.data,
                                        access->certificate.len, CURL_BLOB_NOCOPY};
        struct curl_blob key = {(void *)(uintptr_t)access->key.data, access->key.len,
                                CURL_BLOB_NOCOPY};
        SET(call, CURLOPT_SSL_VERIFYPEER, 1L);
        SET(call, CURLOPT_SSL_VERIFYHOST, 2L);
        SET(call, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        SET(call, CURLOPT_CAINFO, NULL);
        SET(call, CURLOPT_CAPATH, NULL);
        SET(call, CURLOPT_CAINFO_BLOB, &ca);
        SET(call, CURLOPT_SSL_CTX_FUNCTION, call_tls_prepare);
        if (access->certificate.len == 0)
                return;
        SET(call, CURLOPT_SSLCERTTYPE, "PEM");
        SET(call, CURLOPT_SSLCERT_BLOB, &certificate);
        SET(call, CURLOPT_SSLKEYTYPE, "PEM");
        SET(call, CURLOPT_SSLKEY_BLOB, &key);
}

static void prepare_connection(struct kube_call *call)
{
        const struct kube_client *client = call->client;
        SET(call, CURLOPT_PROTOCOLS_STR, "https");
        SET(call, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
        SET(call, CURLOPT_PIPEWAIT, 1L);
        SET(call, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
        SET(call, CURLOPT_FRESH_CONNECT, (long)client->suspect);
        SET(call, CURLOPT_PROXY, "");
        SET(call, CURLOPT_NOPROXY, "*");
        SET(call, CURLOPT_NOSIGNAL, 1L);
        /* A name that is not resolved yet does not hold the loop when its call is cancelled. */
        SET(call, CURLOPT_QUICK_EXIT, 1L);
        SET(call, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
        SET(call, CURLOPT_SOCKOPTFUNCTION, on_connection);
        SET(call, CURLOPT_TCP_KEEPALIVE, 1L);
        SET(call, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
        SET(call, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
        if (client->connect_to)
                SET(call, CURLOPT_CONNECT_TO, client->connect_to);
}

static void add_header(struct kube_call *call, const char *name, struct slice value)
{
        struct buffer line;
        buffer_init(&line, 128 * 1024);
        must(buffer_printf(&line, "%s: %.*s%c", name, SLICE_ARG(value), '\0'));
        call->headers = curl_slist_append(call->headers, line.data);
        must(call->headers != NULL);
        secret_wipe(line.data, line.len);
        buffer_done(&line);
}

static void prepare_headers(struct kube_call *call)
{
        struct kube_client *client = call->client;
        const struct kube_request *request = &call->request;
        struct slice token = kube_token_at(&client->token, uv_now(client->loop));
        add_header(call, "Accept", SLICE("application/json"));
        if (token.len > 0) {
                struct buffer bearer;
                buffer_init(&bearer, 128 * 1024);
                must(buffer_append(&bearer, SLICE("Bearer ")) && buffer_append(&bearer, token));
                add_header(call, "Authorization", buffer_slice(&bearer));
                secret_wipe(bearer.data, bearer.len);
                buffer_done(&bearer);
        }
        if (client->authority)
                add_header(call, "Host", slice_of(client->authority));
        if (request->body.len > 0)
                add_header(call, "Content-Type",
                           slice_of(request->content_type ? request->content_type
                                                          : "application/json"));
        SET(call, CURLOPT_HTTPHEADER, call->headers);
        SET(call, CURLOPT_USERAGENT, "pingate/" PINGATE_VERSION);
}

static void prepare_request(struct kube_call *call)
{
        struct kube_request *request = &call->request;
        struct buffer url;
        buffer_init(&url, 64 * 1024);
        must(buffer_printf(&url, "%s%.*s%c", call->client->origin, SLICE_ARG(request->path), '\0'));
        call->url = url.data;
        request->path = SLICE_NONE;
        SET(call, CURLOPT_URL, call->url);
        SET(call, CURLOPT_PATH_AS_IS, 1L);
        SET(call, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
        if (request->body.len > 0) {
                call->body = memory_dup(request->body.data, request->body.len);
                request->body.data = call->body;
                SET(call, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
                SET(call, CURLOPT_POSTFIELDS, call->body);
        }
        SET(call, CURLOPT_CUSTOMREQUEST, request->method);
        SET(call, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
}

void call_prepare(struct kube_call *call)
{
        size_t max = call->request.body_max ? call->request.body_max : BODY_BYTES_MAX;
        buffer_init(&call->gathered, max);
        call->easy = curl_easy_init();
        must(call->easy != NULL);
        SET(call, CURLOPT_PRIVATE, call);
        SET(call, CURLOPT_ERRORBUFFER, call->trouble);
        SET(call, CURLOPT_WRITEFUNCTION, on_body);
        SET(call, CURLOPT_WRITEDATA, call);
        SET(call, CURLOPT_HEADERFUNCTION, on_header);
        SET(call, CURLOPT_HEADERDATA, call);
        prepare_connection(call);
        prepare_tls(call);
        prepare_request(call);
        prepare_headers(call);
}

/* --- what came --- */

/* One line: what is there to break it becomes a space. */
static void flatten(char *text)
{
        size_t len = strlen(text);
        for (size_t i = 0; i < len; i++)
                if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
                        text[i] = ' ';
        while (len > 0 && text[len - 1] == ' ')
                text[--len] = '\0';
}

static void transport_fault(const struct kube_call *call, CURLcode result, struct error *fault)
{
        const char *text = *call->trouble ? call->trouble : curl_easy_strerror(result);
        switch (call->cut) {
        case CUT_ENDED:
                error_set(fault, ERROR_INPUT, "ended");
                return;
        case CUT_LONG:
                error_set(fault, ERROR_LIMIT, "the answer is longer than %zu bytes",
                          call->gathered.max);
                break;
        case CUT_SILENT:
                error_set(fault, ERROR_SYSTEM, "nothing was heard for %llu ms",
                          (unsigned long long)call->request.silence_ms);
                break;
        case CUT_LOST:
        case CUT_NOT:
                error_set(fault, ERROR_SYSTEM, "%s", text);
                break;
        }
        flatten(fault->text);
        error_wrap(fault, "%.*s", SLICE_ARG(call->client->access->server));
}

static const char *status_word(int status)
{
        switch (status) {
        case 400:
                return "400 Bad Request";
        case 401:
                return "401 Unauthorized";
        case 403:
                return "403 Forbidden";
        case 404:
                return "404 Not Found";
        case 409:
                return "409 Conflict";
        case 410:
                return "410 Gone";
        case 422:
                return "422 Unprocessable Entity";
        case 429:
                return "429 Too Many Requests";
        case 500:
                return "500 Internal Server Error";
        case 503:
                return "503 Service Unavailable";
        case 504:
                return "504 Gateway Timeout";
        default:
                return NULL;
        }
}

/* What the server says about it, in a Status object or else as text. */
static void status_fault(struct kube_call *call, int status, struct error *fault)
{
        struct arena arena;
        struct node *root;
        const char *word = status_word(status);
        struct slice body = buffer_slice(&call->gathered), message = SLICE_NONE;
        arena_init(&arena, 4096);
        if (json_parse(&arena, body, "answer", &root, NULL)) {
                message = node_text(root, "message");
                if (message.len == 0)
                        message = node_text(root, "reason");
        } else if (memchr(body.data ? body.data : "", '\0', body.len) == NULL) {
                message = body;
        }
        message = slice_trim(slice_sub(message, 0, MESSAGE_MAX));
        if (word)
                error_set(fault, ERROR_INPUT, "%s%s%.*s", word, message.len ? ": " : "",
                          SLICE_ARG(message));
        else
                error_set(fault, ERROR_INPUT, "%d%s%.*s", status, message.len ? ": " : "",
                          SLICE_ARG(message));
        arena_wipe(&arena);
        struct slice token_fault = kube_token_fault(&call->client->token);
        if (status == 401 && token_fault.len > 0) {
                struct error both;
                error_set(&both, ERROR_INPUT, "%.800s (the token file %.*s)", fault->text,
                          SLICE_ARG(slice_sub(token_fault, 0, 180)));
                *fault = both;
        }
        flatten(fault->text);
}

void call_answer(struct kube_call *call, CURLcode result, struct kube_answer *answer,
                 struct error *fault)
{
        curl_off_t retry_after = 0;
        *answer = (struct kube_answer){0};
        if (result != CURLE_OK || call->cut != CUT_NOT || status_of(call) == 0) {
                transport_fault(call, result, fault);
                answer->fault = slice_of(fault->text);
                return;
        }
        answer->status = status_of(call);
        answer->body = buffer_slice(&call->gathered);
        if (curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK)
                answer->retry_after_s =
                        retry_after > 0 && retry_after < UINT32_MAX ? (unsigned)retry_after : 0;
        if (answer->status < 200 || answer->status > 299) {
                status_fault(call, answer->status, fault);
                answer->fault = slice_of(fault->text);
        }
}
