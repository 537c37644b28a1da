/* Time, read once for each turn of the loop (clock_update) and then borrowed by everyone.
 * Wall time may jump; monotonic time may not and is what every wait uses. Tests may fix both. */
#ifndef PORTCULLIS_BASE_CLOCK_H
#define PORTCULLIS_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "portcullis/base/str.h"

void clock_update(void);

/* For tests and for explaining another time: both stand at these values, whatever clock_update
 * finds, until clock_unfix. */
void clock_fix(int64_t wall_ms, int64_t monotonic_ms);
void clock_unfix(void);

int64_t clock_wall_ms(void); /* since 1970, UTC */
time_t clock_wall(void);
int64_t clock_monotonic_ms(void);

/* Texts of clock_wall(), valid until the next clock_update that changes the second. */
struct str clock_text_http(void);    /* "Sun, 06 Nov 1994 08:49:37 GMT", RFC 9110, 5.6.7 */
struct str clock_text_error(void);   /* "1994/11/06 08:49:37", local */
struct str clock_text_access(void);  /* "06/Nov/1994:08:49:37 +0000", local */
struct str clock_text_iso8601(void); /* "1994-11-06T08:49:37+00:00", local */

/* Any time in RFC 9110's form into out (30 octets with NUL). */
#define CLOCK_HTTP_MAX 30
struct str clock_format_http(time_t t, char out[static CLOCK_HTTP_MAX]);

#endif
