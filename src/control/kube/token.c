#include "control/kube/token.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "control/kube/access_parts.h"

enum {
        LOOK_MS = 1000,
        TOKEN_BYTES_MAX = 64 * 1024,
};

bool kube_token_is_sound(struct slice token)
{
        for (size_t i = 0; i < token.len; i++)
                if (token.data[i] <= ' ' || token.data[i] > '~')
                        return false;
        return token.len > 0;
}

void kube_token_init(struct kube_token *token, const struct kube_access *access,
                     struct event_sink *sink)
{
        *token = (struct kube_token){.sink = sink, .good = true};
        if (access->token.len > 0)
                token->current = secret_of(access->token);
        if (access->token_file.len > 0)
                token->path = memory_dup(access->token_file.data, access->token_file.len);
}

void kube_token_done(struct kube_token *token)
{
        secret_done(&token->current);
        free(token->path);
        token->path = NULL;
}

static bool read_file(struct kube_token *token, struct error *err)
{
        struct slice bytes;
        if (!file_read(token->path, TOKEN_BYTES_MAX, &bytes, err))
                return false;
        struct slice text = access_without_line_end(bytes);
        bool ok = kube_token_is_sound(text);
        if (ok) {
                secret_done(&token->current);
                token->current = secret_of(text);
        }
        bytes_free(&bytes);
        return ok || error_set(err, ERROR_INPUT, "wants one token and nothing else");
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
               a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
               a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Once for each trouble, not for each look. */
static void tell(struct kube_token *token, bool good, const struct error *err)
{
        if (!good && token->good && token->sink)
                event_warningf(token->sink, "kubernetes", "token file %s: %s; %s", token->path,
                               err->text,
                               token->current.len ? "the last token is used on"
                                                  : "requests bear no token");
        if (!good)
                token->fault = *err;
        token->good = good;
}

/* Stat before read: a file that is replaced in between is read once more. A file that could not be
 * read is tried again at each look. */
static void look(struct kube_token *token)
{
        struct stat now;
        struct error err = {.text = ""};
        if (stat(token->path, &now) != 0)
                error_set_errno(&err, "can't be found");
        else if (token->looked && token->good && is_same_file(&now, &token->seen))
                return;
        else if (read_file(token, &err))
                token->seen = now;
        tell(token, err.text[0] == '\0', &err);
}

struct slice kube_token_at(struct kube_token *token, uint64_t now_ms)
{
        if (token->path && (!token->looked || now_ms - token->looked_ms >= LOOK_MS)) {
                look(token);
                token->looked = true;
                token->looked_ms = now_ms;
        }
        return slice_from(token->current.bytes, token->current.len);
}

struct slice kube_token_fault(const struct kube_token *token)
{
        return token->good ? SLICE_NONE : slice_of(token->fault.text);
}
