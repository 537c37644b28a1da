/* Signals are blocked before the first fork and read from descriptors: no handler, no race. */
#ifndef PORTCULLIS_SRC_DAEMON_SIGNALS_H
#define PORTCULLIS_SRC_DAEMON_SIGNALS_H

#include <stddef.h>

/* All but those of faults, which must kill (and be seen by sanitizers), and of job control. */
void signals_block(void);
/* A signalfd for these; read it until EAGAIN. Ends the process when there is none to be had: it has
 * just begun. */
int signals_open(const int *numbers, size_t count);

#endif
