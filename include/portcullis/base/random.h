/* Randomness for keys and names: the kernel's generator, asked each time, so that there is no state
 * that two processes could share after a fork (CVE-2026-25835). */
#ifndef PORTCULLIS_BASE_RANDOM_H
#define PORTCULLIS_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>

/* size octets; waits until the kernel has them, in early boot (getrandom(2)). False: it has no
 * generator, and out is not to be used. */
bool random_fill(void *out, size_t size);

#endif
