/* The cases of Nicolas Seriot's JSONTestSuite that have one answer: 95 texts that a parser must
 * accept (y_) and 188 that it must refuse (n_). The names are the suite's; the texts are rebuilt
 * here, the two that are very long at run time. */
#include "test.h"

#include "base/arena.h"
#include "base/buf.h"
#include "json/reader.h"

#define S(text)                \
    {                          \
        text, sizeof(text) - 1 \
    }

static const struct {
    const char *name;
    struct str text;
} cases[] = {
    /* clang-format off */
    {"y_array_arraysWithSpaces", S("[[]   ]")},
    {"y_array_empty-string", S("[\"\"]")},
    {"y_array_empty", S("[]")},
    {"y_array_ending_with_newline", S("[\"a\"]")},
    {"y_array_false", S("[false]")},
    {"y_array_heterogeneous", S("[null, 1, \"1\", {}]")},
    {"y_array_null", S("[null]")},
    {"y_array_with_1_and_newline", S("[1\n]")},
    {"y_array_with_leading_space", S(" [1]")},
    {"y_array_with_several_null", S("[1,null,null,null,2]")},
    {"y_array_with_trailing_space", S("[2] ")},
    {"y_number", S("[123e65]")},
    {"y_number_0e+1", S("[0e+1]")},
    {"y_number_0e1", S("[0e1]")},
    {"y_number_after_space", S("[ 4]")},
    {"y_number_double_close_to_zero", S("[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]\n")},
    {"y_number_int_with_exp", S("[20e1]")},
    {"y_number_minus_zero", S("[-0]")},
    {"y_number_negative_int", S("[-123]")},
    {"y_number_negative_one", S("[-1]")},
    {"y_number_negative_zero", S("[-0]")},
    {"y_number_real_capital_e", S("[1E22]")},
    {"y_number_real_capital_e_neg_exp", S("[1E-2]")},
    {"y_number_real_capital_e_pos_exp", S("[1E+2]")},
    {"y_number_real_exponent", S("[123e45]")},
    {"y_number_real_fraction_exponent", S("[123.456e78]")},
    {"y_number_real_neg_exp", S("[1e-2]")},
    {"y_number_real_pos_exponent", S("[1e+2]")},
    {"y_number_simple_int", S("[123]")},
    {"y_number_simple_real", S("[123.456789]")},
    {"y_object", S("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}")},
    {"y_object_basic", S("{\"asd\":\"sdf\"}")},
    {"y_object_duplicated_key", S("{\"a\":\"b\",\"a\":\"c\"}")},
    {"y_object_duplicated_key_and_value", S("{\"a\":\"b\",\"a\":\"b\"}")},
    {"y_object_empty", S("{}")},
    {"y_object_empty_key", S("{\"\":0}")},
    {"y_object_escaped_null_in_key", S("{\"foo\\u0000bar\": 42}")},
    {"y_object_extreme_numbers", S("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }")},
    {"y_object_long_strings", S("{\"x\":[{\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}], \"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}")},
    {"y_object_simple", S("{\"a\":[]}")},
    {"y_object_string_unicode", S("{\"title\":\"\\u041f\\u043e\\u043b\\u0442\\u043e\\u0440\\u0430 \\u0417\\u0435\\u043c\\u043b\\u0435\\u043a\\u043e\\u043f\\u0430\" }")},
    {"y_object_with_newlines", S("{\n\"a\": \"b\"\n}")},
    {"y_string_1_2_3_bytes_UTF-8_sequences", S("[\"\\u0060\\u012a\\u12AB\"]")},
    {"y_string_accepted_surrogate_pair", S("[\"\\uD801\\udc37\"]")},
    {"y_string_accepted_surrogate_pairs", S("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]")},
    {"y_string_allowed_escapes", S("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]")},
    {"y_string_backslash_and_u_escaped_zero", S("[\"\\\\u0000\"]")},
    {"y_string_backslash_doublequotes", S("[\"\\\"\"]")},
    {"y_string_comments", S("[\"a/*b*/c/*d//e\"]")},
    {"y_string_double_escape_a", S("[\"\\\\a\"]")},
    {"y_string_double_escape_n", S("[\"\\\\n\"]")},
    {"y_string_escaped_control_character", S("[\"\\u0012\"]")},
    {"y_string_escaped_noncharacter", S("[\"\\uFFFF\"]")},
    {"y_string_in_array", S("[\"asd\"]")},
    {"y_string_in_array_with_leading_space", S("[ \"asd\"]")},
    {"y_string_last_surrogates_1_and_2", S("[\"\\uDBFF\\uDFFF\"]")},
    {"y_string_nbsp_uescaped", S("[\"new\\u00A0line\"]")},
    {"y_string_nonCharacterInUTF-8_U+10FFFF", S("[\"\xf4\x8f\xbf\xbf\"]")},
    {"y_string_nonCharacterInUTF-8_U+FFFF", S("[\"\xef\xbf\xbf\"]")},
    {"y_string_null_escape", S("[\"\\u0000\"]")},
    {"y_string_one-byte-utf-8", S("[\"\\u002c\"]")},
    {"y_string_pi", S("[\"\xcf\x80\"]")},
    {"y_string_reservedCharacterInUTF-8_U+1BFFF", S("[\"\xf0\x9b\xbf\xbf\"]")},
    {"y_string_simple_ascii", S("[\"asd \"]")},
    {"y_string_space", S("\" \"")},
    {"y_string_surrogates_U+1D11E_MUSICAL_SYMBOL_G_CLEF", S("[\"\\uD834\\uDd1e\"]")},
    {"y_string_three-byte-utf-8", S("[\"\\u0821\"]")},
    {"y_string_two-byte-utf-8", S("[\"\\u0123\"]")},
    {"y_string_u+2028_line_sep", S("[\"\xe2\x80\xa8\"]")},
    {"y_string_u+2029_par_sep", S("[\"\xe2\x80\xa9\"]")},
    {"y_string_uEscape", S("[\"\\u0061\\u30af\\u30EA\\u30b9\"]")},
    {"y_string_uescaped_newline", S("[\"new\\u000Aline\"]")},
    {"y_string_unescaped_char_delete", S("[\"\x7f\"]")},
    {"y_string_unicode", S("[\"\\uA66D\"]")},
    {"y_string_unicodeEscapedBackslash", S("[\"\\u005C\"]")},
    {"y_string_unicode_2", S("[\"\xe2\x8d\x82\xe3\x88\xb4\xe2\x8d\x82\"]")},
    {"y_string_unicode_U+10FFFE_nonchar", S("[\"\\uDBFF\\uDFFE\"]")},
    {"y_string_unicode_U+1FFFE_nonchar", S("[\"\\uD83F\\uDFFE\"]")},
    {"y_string_unicode_U+200B_ZERO_WIDTH_SPACE", S("[\"\\u200B\"]")},
    {"y_string_unicode_U+2064_invisible_plus", S("[\"\\u2064\"]")},
    {"y_string_unicode_U+FDD0_nonchar", S("[\"\\uFDD0\"]")},
    {"y_string_unicode_U+FFFE_nonchar", S("[\"\\uFFFE\"]")},
    {"y_string_unicode_escaped_double_quote", S("[\"\\u0022\"]")},
    {"y_string_utf8", S("[\"\xe2\x82\xac\xf0\x9d\x84\x9e\"]")},
    {"y_string_with_del_character", S("[\"a\x7f" "a\"]")},
    {"y_structure_lonely_false", S("false")},
    {"y_structure_lonely_int", S("42")},
    {"y_structure_lonely_negative_real", S("-0.1")},
    {"y_structure_lonely_null", S("null")},
    {"y_structure_lonely_string", S("\"asd\"")},
    {"y_structure_lonely_true", S("true")},
    {"y_structure_string_empty", S("\"\"")},
    {"y_structure_trailing_newline", S("[\"a\"]\n")},
    {"y_structure_true_in_array", S("[true]")},
    {"y_structure_whitespace_array", S(" [] ")},
    {"n_array_1_true_without_comma", S("[1 true]")},
    {"n_array_a_invalid_utf8", S("[a\xe5]")},
    {"n_array_colon_instead_of_comma", S("[\"\": 1]")},
    {"n_array_comma_after_close", S("[\"\"],")},
    {"n_array_comma_and_number", S("[,1]")},
    {"n_array_double_comma", S("[1,,2]")},
    {"n_array_double_extra_comma", S("[\"x\",,]")},
    {"n_array_extra_close", S("[\"x\"]]")},
    {"n_array_extra_comma", S("[\"\",]")},
    {"n_array_incomplete", S("[\"x\"")},
    {"n_array_incomplete_invalid_value", S("[x")},
    {"n_array_inner_array_no_comma", S("[3[4]]")},
    {"n_array_invalid_utf8", S("[\xff]")},
    {"n_array_items_separated_by_semicolon", S("[1:2]")},
    {"n_array_just_comma", S("[,]")},
    {"n_array_just_minus", S("[-]")},
    {"n_array_missing_value", S("[   , \"\"]")},
    {"n_array_newlines_unclosed", S("[\"a\",\n4\n,1,")},
    {"n_array_number_and_comma", S("[1,]")},
    {"n_array_number_and_several_commas", S("[1,,]")},
    {"n_array_spaces_vertical_tab_formfeed", S("[\"\x0b" "a\"\\f]")},
    {"n_array_star_inside", S("[*]")},
    {"n_array_unclosed", S("[\"\"")},
    {"n_array_unclosed_trailing_comma", S("[1,")},
    {"n_array_unclosed_with_new_lines", S("[1,\n1\n,1")},
    {"n_array_unclosed_with_object_inside", S("[{}")},
    {"n_incomplete_false", S("[fals]")},
    {"n_incomplete_null", S("[nul]")},
    {"n_incomplete_true", S("[tru]")},
    {"n_multidigit_number_then_00", S("123\x00")},
    {"n_number_++", S("[++1234]")},
    {"n_number_+1", S("[+1]")},
    {"n_number_+Inf", S("[+Inf]")},
    {"n_number_-01", S("[-01]")},
    {"n_number_-1.0.", S("[-1.0.]")},
    {"n_number_-2.", S("[-2.]")},
    {"n_number_-NaN", S("[-NaN]")},
    {"n_number_.-1", S("[.-1]")},
    {"n_number_.2e-3", S("[.2e-3]")},
    {"n_number_0.1.2", S("[0.1.2]")},
    {"n_number_0.3e+", S("[0.3e+]")},
    {"n_number_0.3e", S("[0.3e]")},
    {"n_number_0.e1", S("[0.e1]")},
    {"n_number_0_capital_E+", S("[0E+]")},
    {"n_number_0_capital_E", S("[0E]")},
    {"n_number_0e+", S("[0e+]")},
    {"n_number_0e", S("[0e]")},
    {"n_number_1.0e+", S("[1.0e+]")},
    {"n_number_1.0e-", S("[1.0e-]")},
    {"n_number_1.0e", S("[1.0e]")},
    {"n_number_1_000", S("[1 000.0]")},
    {"n_number_1eE2", S("[1eE2]")},
    {"n_number_2.e+3", S("[2.e+3]")},
    {"n_number_2.e-3", S("[2.e-3]")},
    {"n_number_2.e3", S("[2.e3]")},
    {"n_number_9.e+", S("[9.e+]")},
    {"n_number_Inf", S("[Inf]")},
    {"n_number_NaN", S("[NaN]")},
    {"n_number_U+FF11_fullwidth_digit_one", S("[\xef\xbc\x91]")},
    {"n_number_expression", S("[1+2]")},
    {"n_number_hex_1_digit", S("[0x1]")},
    {"n_number_hex_2_digits", S("[0x42]")},
    {"n_number_infinity", S("[Infinity]")},
    {"n_number_invalid+-", S("[0e+-1]")},
    {"n_number_invalid-negative-real", S("[-123.123foo]")},
    {"n_number_invalid-utf-8-in-bigger-int", S("[123\xe5]")},
    {"n_number_invalid-utf-8-in-exponent", S("[1e1\xe5]")},
    {"n_number_invalid-utf-8-in-int", S("[0\xe5]\n")},
    {"n_number_minus_infinity", S("[-Infinity]")},
    {"n_number_minus_sign_with_trailing_garbage", S("[-foo]")},
    {"n_number_minus_space_1", S("[- 1]")},
    {"n_number_neg_int_starting_with_zero", S("[-012]")},
    {"n_number_neg_real_without_int_part", S("[-.123]")},
    {"n_number_neg_with_garbage_at_end", S("[-1x]")},
    {"n_number_real_garbage_after_e", S("[1ea]")},
    {"n_number_real_with_invalid_utf8_after_e", S("[1e\xe5]")},
    {"n_number_real_without_fractional_part", S("[1.]")},
    {"n_number_starting_with_dot", S("[.123]")},
    {"n_number_with_alpha", S("[1.2a-3]")},
    {"n_number_with_alpha_char", S("[1.8011670033376514H-308]")},
    {"n_number_with_leading_zero", S("[012]")},
    {"n_object_bad_value", S("[\"x\", truth]")},
    {"n_object_bracket_key", S("{[: \"x\"}\n")},
    {"n_object_comma_instead_of_colon", S("{\"x\", null}")},
    {"n_object_double_colon", S("{\"x\"::\"b\"}")},
    {"n_object_emoji", S("{\xf0\x9f\x87\xa8\xf0\x9f\x87\xad}")},
    {"n_object_garbage_at_end", S("{\"a\":\"a\" 123}")},
    {"n_object_key_with_single_quotes", S("{key: 'value'}")},
    {"n_object_lone_continuation_byte_in_key_and_trailing_comma", S("{\"\xb9\":\"0\",}")},
    {"n_object_missing_colon", S("{\"a\" b}")},
    {"n_object_missing_key", S("{:\"b\"}")},
    {"n_object_missing_semicolon", S("{\"a\" \"b\"}")},
    {"n_object_missing_value", S("{\"a\":")},
    {"n_object_no-colon", S("{\"a\"")},
    {"n_object_non_string_key", S("{1:1}")},
    {"n_object_non_string_key_but_huge_number_instead", S("{9999E9999:1}")},
    {"n_object_repeated_null_null", S("{null:null,null:null}")},
    {"n_object_several_trailing_commas", S("{\"id\":0,,,,,}")},
    {"n_object_single_quote", S("{'a':0}")},
    {"n_object_trailing_comma", S("{\"id\":0,}")},
    {"n_object_trailing_comment", S("{\"a\":\"b\"}/**/")},
    {"n_object_trailing_comment_open", S("{\"a\":\"b\"}/**//")},
    {"n_object_trailing_comment_slash_open", S("{\"a\":\"b\"}//")},
    {"n_object_trailing_comment_slash_open_incomplete", S("{\"a\":\"b\"}/")},
    {"n_object_two_commas_in_a_row", S("{\"a\":\"b\",,\"c\":\"d\"}")},
    {"n_object_unquoted_key", S("{a: \"b\"}")},
    {"n_object_unterminated-value", S("{\"a\":\"a")},
    {"n_object_with_single_string", S("{ \"foo\" : \"bar\", \"a\" }")},
    {"n_object_with_trailing_garbage", S("{\"a\":\"b\"}#")},
    {"n_single_space", S(" ")},
    {"n_string_1_surrogate_then_escape", S("[\"\\uD800\\\"]")},
    {"n_string_1_surrogate_then_escape_u", S("[\"\\uD800\\u\"]")},
    {"n_string_1_surrogate_then_escape_u1", S("[\"\\uD800\\u1\"]")},
    {"n_string_1_surrogate_then_escape_u1x", S("[\"\\uD800\\u1x\"]")},
    {"n_string_accentuated_char_no_quotes", S("[\xc3\xa9]")},
    {"n_string_backslash_00", S("[\"\\\x00\"]")},
    {"n_string_escape_x", S("[\"\\x00\"]")},
    {"n_string_escaped_backslash_bad", S("[\"\\\\\\\"]")},
    {"n_string_escaped_ctrl_char_tab", S("[\"\\\x09\"]")},
    {"n_string_escaped_emoji", S("[\"\\\xf0\x9f\x8c\x80\"]")},
    {"n_string_incomplete_escape", S("[\"\\\"]")},
    {"n_string_incomplete_escaped_character", S("[\"\\u00A\"]")},
    {"n_string_incomplete_surrogate", S("[\"\\uD834\\uDd\"]")},
    {"n_string_incomplete_surrogate_escape_invalid", S("[\"\\uD800\\uD800\\x\"]")},
    {"n_string_invalid-utf-8-in-escape", S("[\"\\u\xe5\"]")},
    {"n_string_invalid_backslash_esc", S("[\"\\a\"]")},
    {"n_string_invalid_unicode_escape", S("[\"\\uqqqq\"]")},
    {"n_string_invalid_utf8_after_escape", S("[\"\\\xe5\"]")},
    {"n_string_leading_uescaped_thinspace", S("[\\u0020\"asd\"]")},
    {"n_string_no_quotes_with_bad_escape", S("[\\n]")},
    {"n_string_single_doublequote", S("\"")},
    {"n_string_single_quote", S("['single quote']")},
    {"n_string_single_string_no_double_quotes", S("abc")},
    {"n_string_start_escape_unclosed", S("[\"\\")},
    {"n_string_unescaped_ctrl_char", S("[\"a\x00" "a\"]")},
    {"n_string_unescaped_newline", S("[\"new\nline\"]")},
    {"n_string_unescaped_tab", S("[\"\x09\"]")},
    {"n_string_unicode_CapitalU", S("\"\\UA66D\"")},
    {"n_string_with_trailing_garbage", S("\"\"x")},
    {"n_structure_U+2060_word_joined", S("[\xe2\x81\xa0]")},
    {"n_structure_UTF8_BOM_no_data", S("\xef\xbb\xbf")},
    {"n_structure_angle_bracket_.", S("<.>")},
    {"n_structure_angle_bracket_null", S("[<null>]")},
    {"n_structure_array_trailing_garbage", S("[1]x")},
    {"n_structure_array_with_extra_array_close", S("[1]]")},
    {"n_structure_array_with_unclosed_string", S("[\"asd]")},
    {"n_structure_ascii-unicode-identifier", S("a\xc3\xa5")},
    {"n_structure_capitalized_True", S("[True]")},
    {"n_structure_close_unopened_array", S("1]")},
    {"n_structure_comma_instead_of_closing_brace", S("{\"x\": true,")},
    {"n_structure_double_array", S("[][]")},
    {"n_structure_end_array", S("]")},
    {"n_structure_incomplete_UTF8_BOM", S("\xef\xbb{}")},
    {"n_structure_lone-invalid-utf-8", S("\xe5")},
    {"n_structure_lone-open-bracket", S("[")},
    {"n_structure_no_data", S("")},
    {"n_structure_null-byte-outside-string", S("[\x00]")},
    {"n_structure_number_with_trailing_garbage", S("2@")},
    {"n_structure_object_followed_by_closing_object", S("{}}")},
    {"n_structure_object_unclosed_no_value", S("{\"\":")},
    {"n_structure_object_with_comment", S("{\"a\":/*comment*/\"b\"}")},
    {"n_structure_object_with_trailing_garbage", S("{\"a\": true} \"x\"")},
    {"n_structure_open_array_apostrophe", S("['")},
    {"n_structure_open_array_comma", S("[,")},
    {"n_structure_open_array_open_object", S("[{")},
    {"n_structure_open_array_open_string", S("[\"a")},
    {"n_structure_open_array_string", S("[\"a\"")},
    {"n_structure_open_object", S("{")},
    {"n_structure_open_object_close_array", S("{]")},
    {"n_structure_open_object_comma", S("{,")},
    {"n_structure_open_object_open_array", S("{[")},
    {"n_structure_open_object_open_string", S("{\"a")},
    {"n_structure_open_object_string_with_apostrophes", S("{'a'")},
    {"n_structure_open_open", S("[\"\\{[\"\\{[\"\\{[\"\\{")},
    {"n_structure_single_eacute", S("\xe9")},
    {"n_structure_single_star", S("*")},
    {"n_structure_trailing_#", S("{\"a\":\"b\"}#{}")},
    {"n_structure_uescaped_LF_before_string", S("[\\u000A\"\"]")},
    {"n_structure_unclosed_array", S("[1")},
    {"n_structure_unclosed_array_partial_null", S("[ false, nul")},
    {"n_structure_unclosed_array_unfinished_false", S("[ true, fals")},
    {"n_structure_unclosed_array_unfinished_true", S("[ false, tru")},
    {"n_structure_unclosed_object", S("{\"asd\":\"asd\"")},
    {"n_structure_unicode-identifier", S("\xc3\xa5")},
    {"n_structure_whitespace_U+2060_word_joiner", S("[\xe2\x81\xa0]")},
    {"n_structure_whitespace_formfeed", S("[\x0c]")},
    /* clang-format on */
};

enum { ARENA = 1 << 20, GENERATED = 100000 };

static enum err read_all(struct str text, bool allow_duplicates)
{
    struct arena arena;
    struct json_reader r;

    arena_init(&arena, ARENA);
    json_reader_init(&r, text, &arena, JSON_DEPTH_MAX);
    r.allow_duplicates = allow_duplicates;
    json_skip(&r, NULL);
    enum err e = json_end(&r);

    arena_fini(&arena);
    return e;
}

/* Two cases have a name twice in an object, which RFC 8259 leaves open. Here such a text is refused
 * unless the reader is told otherwise. */
static bool has_duplicates(const char *name)
{
    return strncmp(name, "y_object_duplicated_key", 23) == 0;
}

static void accepts_what_it_must(void **state)
{
    (void)state;
    int n = 0;

    for (size_t i = 0; i < COUNT(cases); i++) {
        if (cases[i].name[0] != 'y')
            continue;
        n++;
        if (read_all(cases[i].text, true) != ERR_OK)
            fail_msg("%s was refused", cases[i].name);
        assert_int_equal(read_all(cases[i].text, false),
                         has_duplicates(cases[i].name) ? ERR_SYNTAX : ERR_OK);
    }
    assert_int_equal(n, 95);
}

static void refuses_what_it_must(void **state)
{
    (void)state;
    int n = 0;

    for (size_t i = 0; i < COUNT(cases); i++) {
        if (cases[i].name[0] != 'n')
            continue;
        n++;
        if (read_all(cases[i].text, true) != ERR_SYNTAX)
            fail_msg("%s was accepted", cases[i].name);
    }
    struct buf b;

    buf_init(&b, GENERATED * 5 + 1);
    for (int i = 0; i < GENERATED; i++) /* n_structure_100000_opening_arrays */
        buf_putc(&b, '[');
    assert_int_equal(read_all(buf_view(&b), true), ERR_SYNTAX);
    n++;
    buf_clear(&b);
    for (int i = 0; i < GENERATED / 2; i++) /* n_structure_open_array_object */
        buf_str(&b, STR("[{\"\":"));
    buf_putc(&b, '\n');
    assert_false(b.failed);
    assert_int_equal(read_all(buf_view(&b), true), ERR_SYNTAX);
    n++;
    buf_fini(&b);
    assert_int_equal(n, 188);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_it_must),
        cmocka_unit_test(refuses_what_it_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
