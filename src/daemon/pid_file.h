/* The file that tells -s and operators where the master is. */
#ifndef PORTCULLIS_SRC_DAEMON_PID_FILE_H
#define PORTCULLIS_SRC_DAEMON_PID_FILE_H

#include <stdbool.h>
#include <sys/types.h>

/* False: the log says why. */
bool pid_file_write(const char *path);
/* False: the log says why. */
bool pid_file_rename(const char *from, const char *to);
void pid_file_remove(const char *path);
/* 0: the log says why, in nginx's words. */
pid_t pid_file_read(const char *path);

#endif
