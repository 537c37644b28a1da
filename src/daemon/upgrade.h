/* USR2: another program, of the same name, takes over the listening sockets and the shared memory
 * while this one still serves. They are open in it, and the environment says under which numbers,
 * as nginx does it with the sockets. */
#ifndef PORTCULLIS_SRC_DAEMON_UPGRADE_H
#define PORTCULLIS_SRC_DAEMON_UPGRADE_H

#include <sys/types.h>

#include "listen_set.h"
#include "zone_set.h"

/* Remembers how this program was called; before the title takes argv's place. */
void upgrade_init(char **argv);
/* Starts the program anew; -1 with errno. */
pid_t upgrade_start(const struct listen_set *sockets, const struct zone_set *zones);
/* Takes over what an older master left; false: there is none. */
bool upgrade_adopt(struct listen_set *sockets, struct zone_set *zones);

#endif
