/* A service manager like systemd: the datagrams of sd_notify(3) that it asked for, the sockets of
 * sd_listen_fds(3) that it opened, without its library. Without a manager nothing happens. */
#ifndef PORTCULLIS_SRC_DAEMON_SERVICE_H
#define PORTCULLIS_SRC_DAEMON_SERVICE_H

#include <stdint.h>
#include <sys/types.h>

#include "listen_set.h"

/* Looks who asked. predecessor: the master that started this one, whose watchdog becomes ours; or
 * 0. */
void service_init(pid_t predecessor);
/* Lines like "READY=1\nSTATUS=Serving". */
void service_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A reload begins. */
void service_notify_reload(void);
/* How often "WATCHDOG=1" is to be said; 0: never. */
int64_t service_watchdog_ms(void);

/* Takes over the sockets that it opened. */
void service_adopt(struct listen_set *set);

#endif
