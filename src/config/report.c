#include "report.h"

static struct str place_text(struct arena *a, const struct conf_pos *pos)
{
    if (pos == NULL || pos->file.len == 0)
        return STR("");
    if (pos->line == 0) /* -g */
        return arena_printf(a, " in %.*s", STR_ARG(pos->file));
    return arena_printf(a, " in %.*s:%u", STR_ARG(pos->file), pos->line);
}

void report_vproblem(struct report *r, enum log_level level, const struct conf_pos *pos,
                     const char *cure, const char *format, va_list args)
{
    struct str parts[] = {arena_vprintf(r->arena, format, args), place_text(r->arena, pos),
                          cure ? STR("; ") : STR(""), cure ? str_of(cure) : STR("")};

    if (level <= LOG_ERROR)
        r->errors++;
    else if (level == LOG_WARN)
        r->warnings++;
    if (r->problem)
        r->problem(r->owner, level, arena_concat(r->arena, parts, 4));
}

void report_error(struct report *r, const struct conf_pos *pos, const char *cure,
                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_vproblem(r, LOG_EMERG, pos, cure, format, args);
    va_end(args);
}

void report_warn(struct report *r, const struct conf_pos *pos, const char *cure, const char *format,
                 ...)
{
    va_list args;
    va_start(args, format);
    report_vproblem(r, LOG_WARN, pos, cure, format, args);
    va_end(args);
}

void report_notice(struct report *r, const struct conf_pos *pos, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_vproblem(r, LOG_NOTICE, pos, NULL, format, args);
    va_end(args);
}
