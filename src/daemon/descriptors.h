/* What of its parent's descriptors a new process keeps. */
#ifndef PORTCULLIS_SRC_DAEMON_DESCRIPTORS_H
#define PORTCULLIS_SRC_DAEMON_DESCRIPTORS_H

/* This one, those of the process's log, and standard input to error; all others are closed. */
void descriptors_keep(int fd);

#endif
