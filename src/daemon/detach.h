/* daemon on: the program goes to the background, and the shell learns how the start went. */
#ifndef PORTCULLIS_SRC_DAEMON_DETACH_H
#define PORTCULLIS_SRC_DAEMON_DETACH_H

/* Returns in the child, with the descriptor for detach_report; -1 with errno: could not. The parent
 * exits with the status reported, or 1. */
int detach(void);
void detach_report(int fd, int status);
/* stderr becomes log_fd, or nothing when that is -1. */
void leave_terminal(int log_fd);

#endif
