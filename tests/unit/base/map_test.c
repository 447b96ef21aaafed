#include "harness.h"

#include "base/map.h"
#include "base/memory.h"

enum {
        MANY = 5000
};

static char key_texts[MANY][16];
static bool present[MANY];

static struct slice key_of(size_t i)
{
        snprintf(key_texts[i], sizeof(key_texts[i]), "key-%zu", i);
        return slice_of(key_texts[i]);
}

static void an_empty_map_finds_and_removes_nothing(void **state)
{
        (void)state;
        struct map map = {0};
        size_t at = 0;
        struct map_slot *slot;
        assert_null(map_find(&map, SLICE("a")));
        assert_null(map_remove(&map, SLICE("a")));
        assert_false(map_next(&map, &at, &slot));
        map_done(&map);
}

static void setting_twice_replaces_and_returns_the_former(void **state)
{
        (void)state;
        struct map map = {0};
        int one, two;
        assert_null(map_set(&map, SLICE("a"), &one));
        assert_ptr_equal(map_set(&map, SLICE("a"), &two), &one);
        assert_ptr_equal(map_find(&map, SLICE("a")), &two);
        assert_int_equal(map.count, 1);
        map_done(&map);
}

static void room_that_is_reserved_is_there_once(void **state)
{
        (void)state;
        struct map map = {0};
        map_reserve(&map, MANY);
        const struct map_slot *slots = map.slots;
        for (size_t i = 0; i < MANY; i++) {
                struct slice key = key_of(i);
                assert_null(map_set_hashed(&map, key, hash_bytes(key.data, key.len), key_texts[i]));
        }
        assert_ptr_equal(map.slots, slots);
        map_reserve(&map, 10);
        assert_ptr_equal(map.slots, slots);
        for (size_t i = 0; i < MANY; i++)
                assert_ptr_equal(map_find(&map, key_of(i)), key_texts[i]);
        map_done(&map);
}

static void keys_are_bytes_with_a_length(void **state)
{
        (void)state;
        struct map map = {0};
        int one, two, three;
        map_set(&map, SLICE("a"), &one);
        map_set(&map, SLICE("a\0"), &two);
        map_set(&map, SLICE(""), &three);
        assert_ptr_equal(map_find(&map, SLICE("a")), &one);
        assert_ptr_equal(map_find(&map, SLICE("a\0")), &two);
        assert_ptr_equal(map_find(&map, SLICE_NONE), &three);
        assert_int_equal(map.count, 3);
        map_done(&map);
}

static void check_all(const struct map *map, size_t count)
{
        assert_int_equal(map->count, count);
        for (size_t i = 0; i < MANY; i++)
                assert_ptr_equal(map_find(map, key_of(i)), present[i] ? key_texts[i] : NULL);
        size_t at = 0, seen = 0;
        struct map_slot *slot;
        for (; map_next(map, &at, &slot); seen++)
                assert_true(slice_equal(slot->key, slice_of(slot->value)));
        assert_int_equal(seen, count);
}

/* Removal moves entries back over the hole: with 3/4 full tables nearly every one has company. */
static void removing_leaves_every_other_key_findable(void **state)
{
        (void)state;
        struct map map = {0};
        size_t count = 0;
        memset(present, 0, sizeof(present));
        for (size_t round = 0; round < 6; round++) {
                for (size_t i = 0; i < MANY; i++) {
                        bool wanted = (i * 7919 + round * 104729) % 5 < 3;
                        if (wanted && !present[i])
                                assert_null(map_set(&map, key_of(i), key_texts[i]));
                        if (!wanted && present[i])
                                assert_ptr_equal(map_remove(&map, key_of(i)), key_texts[i]);
                        count += (size_t)wanted - (size_t)present[i];
                        present[i] = wanted;
                }
                check_all(&map, count);
        }
        map_done(&map);
}

/* The hash is keyed, so collisions are made by hand: a table of 16 with 12 keys of one home. */
static void keys_with_one_home_survive_each_others_removal(void **state)
{
        (void)state;
        for (size_t gone = 0; gone < 12; gone++) {
                struct map map = {0};
                size_t chosen[12], count = 0;
                for (size_t i = 0; i < MANY && count < 12; i++) {
                        struct slice key = key_of(i);
                        if ((hash_bytes(key.data, key.len) & 15) != 13)
                                continue;
                        map_set(&map, key, key_texts[i]);
                        chosen[count++] = i;
                }
                assert_int_equal(count, 12);
                assert_int_equal(map.capacity, 16);
                assert_non_null(map_remove(&map, key_of(chosen[gone])));
                for (size_t i = 0; i < 12; i++)
                        assert_ptr_equal(map_find(&map, key_of(chosen[i])),
                                         i == gone ? NULL : key_texts[chosen[i]]);
                map_done(&map);
        }
}

static void the_hash_sees_every_byte_and_the_length(void **state)
{
        (void)state;
        unsigned char bytes[40] = {0};
        for (size_t len = 0; len < sizeof(bytes); len++) {
                uint64_t hash = hash_bytes(bytes, len);
                assert_true(hash == hash_bytes(bytes, len) && hash != 0);
                assert_true(hash != hash_bytes(bytes, len + 1));
                for (size_t i = 0; i < len; i++) {
                        bytes[i] = 1;
                        assert_true(hash != hash_bytes(bytes, len));
                        bytes[i] = 0;
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_map_finds_and_removes_nothing),
                cmocka_unit_test(setting_twice_replaces_and_returns_the_former),
                cmocka_unit_test(room_that_is_reserved_is_there_once),
                cmocka_unit_test(keys_are_bytes_with_a_length),
                cmocka_unit_test(removing_leaves_every_other_key_findable),
                cmocka_unit_test(keys_with_one_home_survive_each_others_removal),
                cmocka_unit_test(the_hash_sees_every_byte_and_the_length),
        };
        return RUN(tests);
}
