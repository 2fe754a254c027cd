/* The options of commands: what is taken, what is refused, and in which words. */
#include "base/args.h"
#include "base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct args_option options[] = {
    {"learner", "ID", ""},
    {"verify", NULL, ""},
    {"out", "FILE", ""},
    {NULL, NULL, NULL},
};

static enum err parse(int argc, const char *const *given, struct args *ret, char *detail)
{
    static char *argv[8];

    assert_true(argc <= (int)COUNT(argv));
    for (int i = 0; i < argc; i++)
        argv[i] = (char *)(uintptr_t)given[i];
    return args_parse(options, argc, argv, ret, detail);
}

static void takes_options_and_operands_in_any_order(void **state)
{
    (void)state;
    const char *const argv[] = {"one", "--learner", "ann", "-", "--verify", "--out=", "--", "--x"};
    struct args args;
    char detail[ARGS_DETAIL_MAX];

    assert_int_equal(parse(COUNT(argv), argv, &args, detail), ERR_OK);
    assert_string_equal(args_get(options, &args, "learner"), "ann");
    assert_string_equal(args_get(options, &args, "verify"), "");
    assert_string_equal(args_get(options, &args, "out"), "");
    assert_int_equal(args.operand_count, 3);
    assert_string_equal(args.operands[0], "one");
    assert_string_equal(args.operands[1], "-");
    assert_string_equal(args.operands[2], "--x");
}

static void every_value_of_an_option_is_given_in_order(void **state)
{
    (void)state;
    const char *const argv[] = {"--learner=a", "--verify", "--learner", "b", "one", "--learner=c"};
    struct args args;
    char detail[ARGS_DETAIL_MAX];
    int cursor = 0;

    assert_int_equal(parse(COUNT(argv), argv, &args, detail), ERR_OK);
    assert_string_equal(args_get(options, &args, "learner"), "c");
    assert_string_equal(args_each(options, &args, "learner", &cursor), "a");
    assert_string_equal(args_each(options, &args, "learner", &cursor), "b");
    assert_string_equal(args_each(options, &args, "learner", &cursor), "c");
    assert_null(args_each(options, &args, "learner", &cursor));
}

static void absent_options_are_null(void **state)
{
    (void)state;
    struct args args;
    char detail[ARGS_DETAIL_MAX];

    assert_int_equal(parse(0, NULL, &args, detail), ERR_OK);
    assert_null(args_get(options, &args, "learner"));
    assert_null(args_get(options, &args, "verify"));
    assert_int_equal(args.operand_count, 0);
}

static void refuses_and_says_what(void **state)
{
    (void)state;
    static const struct {
        const char *argv[2];
        int argc;
        const char *says;
    } cases[] = {
        {{"--lerner", "x"}, 2, "unknown option --lerner; did you mean --learner?"},
        {{"--nothing-like-it"}, 1, "unknown option --nothing-like-it"},
        {{"--lerner=secret"}, 1, "unknown option --lerner; did you mean --learner?"},
        {{"--verify=yes"}, 1, "--verify takes no value"},
        {{"--out"}, 1, "--out needs a value: --out FILE"},
        {{"--out", "--verify"}, 2, "--out needs a value: --out FILE"},
        {{"-v"}, 1, "unknown option -v; options are long: --name"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct args args = {.operand_count = -1};
        char detail[ARGS_DETAIL_MAX];

        assert_int_equal(parse(cases[i].argc, cases[i].argv, &args, detail), ERR_RANGE);
        assert_string_equal(detail, cases[i].says);
        assert_int_equal(args.operand_count, -1);
    }
}

static void distance_counts_changed_letters(void **state)
{
    (void)state;
    assert_int_equal(args_distance(STR(""), STR("")), 0);
    assert_int_equal(args_distance(STR("listen"), STR("listen")), 0);
    assert_int_equal(args_distance(STR("head-timeout"), STR("head_timeout")), 0);
    assert_int_equal(args_distance(STR("listn"), STR("listen")), 1);
    assert_int_equal(args_distance(STR("kitten"), STR("sitting")), 3);
    assert_int_equal(args_distance(STR("abc"), STR("")), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_options_and_operands_in_any_order),
        cmocka_unit_test(every_value_of_an_option_is_given_in_order),
        cmocka_unit_test(absent_options_are_null),
        cmocka_unit_test(refuses_and_says_what),
        cmocka_unit_test(distance_counts_changed_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
