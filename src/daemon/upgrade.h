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
/* What the one leaves and the other takes over. */
struct legacy {
    struct listen_set *sockets;
    struct zone_set *zones;
    int trust_news; /* an eventfd: the newer one says that it trusts what the older one may not know
                     */
};

/* Starts the program anew; -1 with errno. */
pid_t upgrade_start(const struct legacy *l);
/* False: there is no older master. trust_news is -1 then, and where that one knows nothing of it.
 */
bool upgrade_adopt(struct legacy *l);

#endif
