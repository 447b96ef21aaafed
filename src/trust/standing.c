#include "trust/standing.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "trust/judge.h"

static struct standing *block_new(const struct path *path, const char *subject,
                                  const char *pin_name)
{
        size_t digests = 2 * path->count * sizeof(struct digest);
        size_t subject_size = strlen(subject) + 1, name_size = strlen(pin_name) + 1;
        struct standing *standing =
                memory_new(sizeof(*standing) + digests + subject_size + name_size);
        char *texts = (char *)standing->path + digests;
        standing->subject = memcpy(texts, subject, subject_size);
        standing->pin_name = memcpy(texts + subject_size, pin_name, name_size);
        standing->path_count = path->count;
        memcpy(standing->path, path->certificates, digests / 2);
        memcpy(standing->path + path->count, path->spki, digests / 2);
        standing->path_valid_from = path->valid_from;
        standing->path_valid_until = path->valid_until;
        return standing;
}

struct standing *standing_new(const struct verdict *verdict)
{
        struct standing *standing = block_new(&verdict->path, verdict->subject, verdict->pin_name);
        standing->verified = verdict->verified;
        standing->reason = verdict->reason;
        standing->leaf = verdict->leaf;
        standing->spki = verdict->spki;
        standing->leaf_not_after = verdict->leaf_not_after;
        standing->valid_from = verdict->valid_from;
        standing->valid_until = verdict->valid_until;
        standing->path_key = verdict->path_key;
        return standing;
}

void standing_renew(struct standing **standing, const struct verdict *now)
{
        struct standing *former = *standing;
        struct standing *renewed = block_new(&now->path, former->subject, former->pin_name);
        renewed->verified = former->verified;
        renewed->reason = former->reason;
        renewed->leaf = former->leaf;
        renewed->spki = former->spki;
        renewed->leaf_not_after = former->leaf_not_after;
        renewed->valid_from = now->valid_from;
        renewed->valid_until = now->valid_until;
        renewed->path_key = now->path_key;
        free(former);
        *standing = renewed;
}

bool standing_path(const struct standing *standing, const struct digest *key, int64_t now,
                   struct path *path)
{
        if (standing->path_count == 0 || !digest_equal(&standing->path_key, key) ||
            now < standing->path_valid_from || now >= standing->path_valid_until)
                return false;
        size_t count = standing->path_count;
        *path = (struct path){.count = count,
                              .valid_from = standing->path_valid_from,
                              .valid_until = standing->path_valid_until};
        memcpy(path->certificates, standing->path, count * sizeof(struct digest));
        memcpy(path->spki, standing->path + count, count * sizeof(struct digest));
        return true;
}

struct pin_evidence standing_evidence(const struct standing *standing)
{
        size_t above = standing->path_count > 1 ? standing->path_count - 1 : 0;
        return (struct pin_evidence){.certificate = standing->leaf,
                                     .spki = standing->spki,
                                     .issuers = above ? standing->path + standing->path_count + 1
                                                      : NULL,
                                     .issuer_count = above};
}
