#include "portcullis/base/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "portcullis/base/memory.h"

/* A subject may come from a client, a pattern of the operator's may be a bad one. */
enum {
    MATCH_LIMIT = 200000,
    DEPTH_LIMIT = 10000,
    HEAP_LIMIT_KIB = 8 * 1024,
    JIT_STACK_MAX = 512 * 1024,
};

struct regex {
    pcre2_code *code;
    uint32_t group_count, name_count, name_entry_size;
    PCRE2_SPTR names; /* PCRE2's table: two octets of number, name, NUL */
};

/* Shared by all matches of the process, which has one thread. */
static pcre2_match_context *match_context;
static pcre2_match_data *match_data;

static void *pcre_alloc(size_t size, void *unused)
{
    (void)unused;
    return mem_alloc(size);
}

static void pcre_free(void *ptr, void *unused)
{
    (void)unused;
    mem_free(ptr);
}

static void set_up_matching(void)
{
    if (match_context != NULL)
        return;
    pcre2_general_context *memory = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    match_context = pcre2_match_context_create(memory);
    match_data = pcre2_match_data_create(REGEX_CAPTURES_MAX, memory);
    pcre2_set_match_limit(match_context, MATCH_LIMIT);
    pcre2_set_depth_limit(match_context, DEPTH_LIMIT);
    pcre2_set_heap_limit(match_context, HEAP_LIMIT_KIB);
    pcre2_jit_stack *stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK_MAX, memory);
    if (stack != NULL)
        pcre2_jit_stack_assign(match_context, NULL, stack);
    pcre2_general_context_free(memory);
}

static void describe_problem(int code, struct str pattern, size_t offset, char *out, size_t size)
{
    char text[128];
    if (pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text) < 0)
        snprintf(text, sizeof text, "unknown error %d", code);
    if (offset >= pattern.len) {
        snprintf(out, size, "pcre2_compile() failed: %s in \"%.*s\"", text, STR_ARG(pattern));
        return;
    }
    struct str rest = str_from(pattern, offset);
    snprintf(out, size, "pcre2_compile() failed: %s in \"%.*s\" at \"%.*s\"", text,
             STR_ARG(pattern), STR_ARG(rest));
}

struct regex *regex_new(struct str pattern, bool nocase, char *problem, size_t problem_size)
{
    int code_of_problem;
    PCRE2_SIZE offset;
    PCRE2_SPTR text = (PCRE2_SPTR)(pattern.ptr == NULL ? "" : pattern.ptr);
    pcre2_code *code = pcre2_compile(text, pattern.len, nocase ? PCRE2_CASELESS : 0,
                                     &code_of_problem, &offset, NULL);
    if (code == NULL) {
        describe_problem(code_of_problem, pattern, offset, problem, problem_size);
        return NULL;
    }
    /* Without JIT (not built in, no executable memory) the interpreter matches the same. */
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    set_up_matching();

    struct regex *r = MEM_NEW(struct regex);
    r->code = code;
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &r->group_count);
    pcre2_pattern_info(code, PCRE2_INFO_NAMECOUNT, &r->name_count);
    pcre2_pattern_info(code, PCRE2_INFO_NAMEENTRYSIZE, &r->name_entry_size);
    pcre2_pattern_info(code, PCRE2_INFO_NAMETABLE, &r->names);
    return r;
}

void regex_free(struct regex *r)
{
    if (r == NULL)
        return;
    pcre2_code_free(r->code);
    mem_free(r);
}

size_t regex_group_count(const struct regex *r)
{
    return r->group_count;
}

size_t regex_name_count(const struct regex *r)
{
    return r->name_count;
}

struct str regex_name(const struct regex *r, size_t i, size_t *group)
{
    const unsigned char *entry = r->names + i * r->name_entry_size;
    *group = (size_t)entry[0] << 8 | entry[1];
    return str_of((const char *)entry + 2);
}

static void take_captures(struct regex_captures *captures, struct str subject, int pairs)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(match_data);
    /* 0: there are more groups than places. */
    captures->count = pairs == 0 ? REGEX_CAPTURES_MAX : (size_t)pairs;
    captures->subject = subject;
    for (size_t i = 0; i < REGEX_CAPTURES_MAX; i++) {
        captures->group[i] = STR_NONE;
        if (i >= captures->count || at[2 * i] == PCRE2_UNSET || at[2 * i + 1] < at[2 * i])
            continue;
        captures->group[i] = str_make(subject.ptr + at[2 * i], at[2 * i + 1] - at[2 * i]);
    }
}

bool regex_match(const struct regex *r, struct str subject, struct regex_captures *captures,
                 bool *failed)
{
    if (subject.ptr == NULL)
        subject.ptr = "";
    int rc = pcre2_match(r->code, (PCRE2_SPTR)subject.ptr, subject.len, 0, 0, match_data,
                         match_context);
    if (failed != NULL)
        *failed = rc < 0 && rc != PCRE2_ERROR_NOMATCH;
    if (rc < 0)
        return false;
    if (captures != NULL)
        take_captures(captures, subject, rc);
    return true;
}
