#include "control/kube/item.h"

#include "text/json_scan.h"

static bool put(struct buffer *rest, bool *first, const struct json_member *member)
{
        bool ok = *first || buffer_append_secret(rest, SLICE(","));
        *first = false;
        return ok && buffer_append_secret(rest, SLICE("\"")) &&
               buffer_append_secret(rest, member->key) &&
               buffer_append_secret(rest, SLICE("\":")) &&
               buffer_append_secret(rest, member->value);
}

/* What is noted of it; true: and left out. */
static bool metadata_note(struct kube_item *item, const struct json_member *member)
{
        const struct {
                const char *key;
                struct slice *to;
                bool out;
        } texts[] = {
                {"name", &item->name, false},
                {"namespace", &item->namespace, false},
                {"uid", &item->uid, false},
                {"resourceVersion", &item->resource_version, true},
        };
        for (size_t i = 0; i < COUNT_OF(texts); i++)
                if (slice_is(member->key, texts[i].key)) {
                        *texts[i].to = json_plain_string(member->value);
                        return texts[i].out;
                }
        if (slice_is(member->key, "finalizers"))
                item->finalizers = member->value;
        if (slice_is(member->key, "deletionTimestamp"))
                item->deleting = !slice_is(member->value, "null");
        return slice_is(member->key, "managedFields");
}

static bool metadata_cut(struct slice text, struct kube_item *item, struct buffer *rest)
{
        struct json_members members = json_members_of(text);
        struct json_member member;
        bool first = true, ok = buffer_append_secret(rest, SLICE("\"metadata\":{"));
        while (ok && json_members_next(&members, &member))
                ok = metadata_note(item, &member) || put(rest, &first, &member);
        return ok && !members.broken && buffer_append_secret(rest, SLICE("}"));
}

static bool status_cut(struct slice text, const char *kept, bool first, struct buffer *rest)
{
        struct json_members members = json_members_of(text);
        struct json_member member;
        while (kept && json_members_next(&members, &member)) {
                if (!slice_is(member.key, kept))
                        continue;
                return (first || buffer_append_secret(rest, SLICE(","))) &&
                       buffer_append_secret(rest, SLICE("\"status\":{\"")) &&
                       buffer_append_secret(rest, member.key) &&
                       buffer_append_secret(rest, SLICE("\":")) &&
                       buffer_append_secret(rest, member.value) &&
                       buffer_append_secret(rest, SLICE("}"));
        }
        return true;
}

static bool member_cut(const struct json_member *member, const char *kept, struct kube_item *item,
                       struct buffer *rest)
{
        bool first = rest->len == 1;
        if (slice_is(member->key, "apiVersion") || slice_is(member->key, "kind"))
                return true; /* items of a list may have none */
        if (slice_is(member->key, "status")) {
                item->status = member->value;
                return status_cut(member->value, kept, first, rest);
        }
        if (slice_is(member->key, "metadata"))
                return (first || buffer_append_secret(rest, SLICE(","))) &&
                       metadata_cut(member->value, item, rest);
        return put(rest, &first, member);
}

bool kube_item_cut(struct slice text, const char *kept, struct kube_item *out, struct buffer *rest,
                   struct error *err)
{
        struct json_members members = json_members_of(text);
        struct json_member member;
        struct kube_item item = {0};
        buffer_clear(rest);
        bool ok = buffer_append_secret(rest, SLICE("{"));
        while (ok && json_members_next(&members, &member))
                ok = member_cut(&member, kept, &item, rest);
        ok = ok && !members.broken && buffer_append_secret(rest, SLICE("}"));
        if (!ok)
                return error_set(err, ERROR_INPUT, "is no object, or one of more than %d MiB",
                                 KUBE_ITEM_MAX >> 20);
        if (item.name.len == 0)
                return error_set(err, ERROR_INPUT, "has no metadata.name");
        *out = item;
        return true;
}
