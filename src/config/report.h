/* What is wrong with a configuration, told in nginx's words with file and line, and the cure behind
 * it:
 *
 *     unknown directive "proxy_pas" in /etc/x.conf:3; did you mean "proxy_pass"?
 *
 * Nothing stops at the first problem: whoever reports goes on, and config_load looks at errors at
 * the end. */
#ifndef CONFIG_REPORT_H
#define CONFIG_REPORT_H

#include "portcullis/base/arena.h"
#include "portcullis/config/load.h"

struct report {
    struct arena *arena;
    void (*problem)(void *owner, enum log_level level, struct str message);
    void *owner;
    unsigned errors, warnings;
};

/* pos NULL or without a file: the problem has no place. cure may be NULL. */
void report_error(struct report *r, const struct conf_pos *pos, const char *cure,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
void report_warn(struct report *r, const struct conf_pos *pos, const char *cure, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));
/* What only does nothing; not counted. */
void report_notice(struct report *r, const struct conf_pos *pos, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void report_vproblem(struct report *r, enum log_level level, const struct conf_pos *pos,
                     const char *cure, const char *format, va_list args)
    __attribute__((format(printf, 5, 0)));

#endif
