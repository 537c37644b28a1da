#include "portcullis/base/clock.h"

#include <stdbool.h>
#include <stdio.h>

static int64_t wall_ms, monotonic_ms;
static bool is_fixed;

static int64_t read_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void clock_update(void)
{
    if (is_fixed)
        return;
    wall_ms = read_ms(CLOCK_REALTIME);
    monotonic_ms = read_ms(CLOCK_MONOTONIC);
}

void clock_fix(int64_t wall, int64_t monotonic)
{
    wall_ms = wall;
    monotonic_ms = monotonic;
    is_fixed = true;
}

void clock_unfix(void)
{
    is_fixed = false;
    clock_update();
}

static void update_at_first(void)
{
    if (wall_ms == 0)
        clock_update();
}

int64_t clock_wall_ms(void)
{
    update_at_first();
    return wall_ms;
}

time_t clock_wall(void)
{
    int64_t ms = clock_wall_ms();
    return (time_t)(ms / 1000 - (ms % 1000 < 0));
}

int64_t clock_monotonic_ms(void)
{
    update_at_first();
    return monotonic_ms;
}

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct str clock_format_http(time_t t, char out[static CLOCK_HTTP_MAX])
{
    struct tm tm;
    gmtime_r(&t, &tm);
    /* Modulo says to the compiler what gmtime_r promises. */
    int len = snprintf(out, CLOCK_HTTP_MAX, "%s, %02u %s %04u %02u:%02u:%02u GMT",
                       day_names[tm.tm_wday], (unsigned)tm.tm_mday % 100, month_names[tm.tm_mon],
                       (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
                       (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
    return str_make(out, (size_t)len);
}

struct texts {
    bool is_valid;
    time_t second;
    char http[CLOCK_HTTP_MAX], error[32], access[32], iso8601[32];
};

/* Written at the first question of a second. */
static const struct texts *texts_now(void)
{
    static struct texts texts;
    time_t now = clock_wall();
    if (texts.is_valid && texts.second == now)
        return &texts;

    struct tm tm;
    localtime_r(&now, &tm);
    unsigned year = (unsigned)(tm.tm_year + 1900) % 10000, month = (unsigned)tm.tm_mon % 12;
    unsigned day = (unsigned)tm.tm_mday % 100, hour = (unsigned)tm.tm_hour % 100;
    unsigned minute = (unsigned)tm.tm_min % 100, second = (unsigned)tm.tm_sec % 100;
    char sign = tm.tm_gmtoff < 0 ? '-' : '+';
    unsigned off = (unsigned)(tm.tm_gmtoff < 0 ? -tm.tm_gmtoff : tm.tm_gmtoff) / 60 % 6000;

    clock_format_http(now, texts.http);
    snprintf(texts.error, sizeof texts.error, "%04u/%02u/%02u %02u:%02u:%02u", year, month + 1, day,
             hour, minute, second);
    snprintf(texts.access, sizeof texts.access, "%02u/%s/%04u:%02u:%02u:%02u %c%02u%02u", day,
             month_names[month], year, hour, minute, second, sign, off / 60, off % 60);
    snprintf(texts.iso8601, sizeof texts.iso8601, "%04u-%02u-%02uT%02u:%02u:%02u%c%02u:%02u", year,
             month + 1, day, hour, minute, second, sign, off / 60, off % 60);
    texts.second = now;
    texts.is_valid = true;
    return &texts;
}

struct str clock_text_http(void)
{
    return str_of(texts_now()->http);
}

struct str clock_text_error(void)
{
    return str_of(texts_now()->error);
}

struct str clock_text_access(void)
{
    return str_of(texts_now()->access);
}

struct str clock_text_iso8601(void)
{
    return str_of(texts_now()->iso8601);
}
