#include "fuzz.h"

#include "control/report/lease_record.h"
#include "text/json.h"

/* What an API server says of a Lease, and the writes that follow from it: whatever another writer
 * put into it, what we write is ours, and reads back as such. */
static void check_written(struct arena *arena, const struct buffer *body, struct slice holder)
{
        struct node *root;
        struct lease_record record;
        struct error err;
        must(json_parse(arena, buffer_slice(body), "written", &root, &err));
        if (lease_record_read(root, &record, &err)) /* what is created has no version */
                must(slice_equal(record.holder, holder));
        must(slice_is(node_text(node_find(root, "metadata"), "name"), "pingate-leader"));
}

static void check_moves(struct arena *arena, const struct lease_sight *sight)
{
        const struct slice me = SLICE("me_1");
        struct buffer body;
        enum lease_move move = lease_judge(sight, me, 100);
        must(move != LEASE_CREATE);
        must(lease_judge(sight, me, 100 + 3600000) != LEASE_WAIT);
        buffer_init(&body, 1 << 16);
        if (move != LEASE_WAIT) {
                must(lease_leader_print(sight, move, me, 1, &body));
                check_written(arena, &body, me);
                buffer_clear(&body);
        }
        must(lease_release_print(sight, 1, &body));
        check_written(arena, &body, SLICE_NONE);
        buffer_done(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena arena;
        struct node *root;
        struct lease_record record;
        struct lease_sight sight;
        struct error err;
        arena_init(&arena, 4096);
        lease_sight_init(&sight);
        if (json_parse(&arena, slice_from(data, size), "f", &root, NULL) &&
            lease_record_read(root, &record, &err)) {
                must(lease_sight_update(&sight, &record, 100));
                must(!lease_sight_update(&sight, &record, 200));
                check_moves(&arena, &sight);
        }
        lease_sight_done(&sight);
        arena_done(&arena);
        return 0;
}
