/* What ps shows. */
#ifndef PORTCULLIS_SRC_DAEMON_TITLE_H
#define PORTCULLIS_SRC_DAEMON_TITLE_H

void title_init(char **argv);     /* before anything keeps pointers to the environment */
void title_set(const char *what); /* "worker process" is shown as "portcullis: worker process" */

#endif
