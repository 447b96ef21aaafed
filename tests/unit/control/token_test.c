/* The token of requests, as its file is rotated. */
#include "../base/harness.h"
#include "folder.h"

#include "control/kube/token.h"

static struct kube_token open_token(const char *fixed)
{
        struct kube_token token;
        struct kube_access access = {.token = slice_of(fixed),
                                     .token_file = slice_of(folder_file("token"))};
        kube_token_init(&token, &access, NULL);
        return token;
}

/* As the kubelet does it: another file takes the place. */
static void rotate(const char *text)
{
        folder_write("next", text);
        assert_int_equal(rename(folder_file("next"), folder_file("token")), 0);
}

static void is_sent(struct kube_token *token, uint64_t now_ms, const char *wanted)
{
        struct slice sent = kube_token_at(token, now_ms);
        if (!slice_is(sent, wanted))
                fail_msg("at %llu: \"%.*s\" is not \"%s\"", (unsigned long long)now_ms,
                         SLICE_ARG(sent), wanted);
}

static void a_rotated_token_is_sent_after_a_second(void **state)
{
        (void)state;
        rotate("one\n");
        struct kube_token token = open_token(NULL);
        is_sent(&token, 5000, "one");
        rotate("two");
        is_sent(&token, 5999, "one");
        is_sent(&token, 6000, "two");
        kube_token_done(&token);
}

static void a_file_that_is_gone_leaves_the_last_token_and_says_so(void **state)
{
        (void)state;
        rotate("one");
        struct kube_token token = open_token(NULL);
        is_sent(&token, 0, "one");
        assert_int_equal(kube_token_fault(&token).len, 0);
        remove(folder_file("token"));
        is_sent(&token, 1000, "one");
        assert_true(slice_starts_with(kube_token_fault(&token), SLICE("can't be found")));
        rotate("two");
        is_sent(&token, 1999, "one");
        is_sent(&token, 2000, "two");
        assert_int_equal(kube_token_fault(&token).len, 0);
        kube_token_done(&token);
}

static void a_file_that_is_no_token_is_tried_again(void **state)
{
        static const char *const broken[] = {"", "\n", "a b", "a\r\nX-Remote-User: admin\r\n",
                                             "t\xc3\xb6ken"};
        (void)state;
        rotate("one");
        struct kube_token token = open_token(NULL);
        is_sent(&token, 0, "one");
        for (size_t i = 0; i < COUNT_OF(broken); i++) {
                rotate(broken[i]);
                is_sent(&token, (i + 1) * 1000, "one");
                assert_true(kube_token_fault(&token).len > 0);
        }
        rotate("two\r\n");
        is_sent(&token, 10000, "two");
        kube_token_done(&token);
}

static void a_fixed_token_is_sent_until_the_file_is_read(void **state)
{
        (void)state;
        remove(folder_file("token"));
        struct kube_token token = open_token("fixed");
        is_sent(&token, 0, "fixed");
        rotate("one");
        is_sent(&token, 1000, "one");
        kube_token_done(&token);
}

static void without_a_token_nothing_is_sent(void **state)
{
        (void)state;
        struct kube_token token;
        struct kube_access access = {.namespace = SLICE("default")};
        kube_token_init(&token, &access, NULL);
        assert_int_equal(kube_token_at(&token, 0).len, 0);
        assert_int_equal(kube_token_fault(&token).len, 0);
        kube_token_done(&token);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_rotated_token_is_sent_after_a_second),
                cmocka_unit_test(a_file_that_is_gone_leaves_the_last_token_and_says_so),
                cmocka_unit_test(a_file_that_is_no_token_is_tried_again),
                cmocka_unit_test(a_fixed_token_is_sent_until_the_file_is_read),
                cmocka_unit_test(without_a_token_nothing_is_sent),
        };
        return cmocka_run_group_tests(tests, folder_open_test, folder_close_test);
}
