/* Landlock: two rule sets, one for files, signals and abstract unix sockets, one for TCP ports.
 * They are built by the builder, which may still open every path, and entered by its workers. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "portcullis/base/log.h"
#include "sandbox_impl.h"

/* The headers may be older than the kernel: rights by the version that knows them first. */
#define ACCESS_FS_1   ((1ULL << 13) - 1)
#define ACCESS_FS_2   (1ULL << 13) /* move between folders */
#define ACCESS_FS_3   (1ULL << 14) /* truncate */
#define ACCESS_FS_5   (1ULL << 15) /* ioctl of devices */
#define ACCESS_NET_4  3ULL
#define CONNECT_TCP   2ULL
#define SCOPES_6      3ULL /* abstract unix sockets, signals */
#define RULE_NET_PORT 2

struct ruleset {
    uint64_t fs, net, scoped;
};

struct port_rule {
    uint64_t allowed, port;
};

int landlock_find(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return version > 0 ? (int)version : 0;
}

static uint64_t file_rights(int version)
{
    return ACCESS_FS_1 | (version >= 2 ? ACCESS_FS_2 : 0) | (version >= 3 ? ACCESS_FS_3 : 0) |
           (version >= 5 ? ACCESS_FS_5 : 0);
}

/* A kernel takes the longer structure as long as what it does not know is zero. */
static int create(const struct ruleset *r)
{
    return (int)syscall(SYS_landlock_create_ruleset, r, sizeof *r, 0);
}

void landlock_open(struct sandbox *s)
{
    struct ruleset files = {.fs = file_rights(s->landlock),
                            .scoped = s->landlock >= 6 ? SCOPES_6 : 0};
    struct ruleset ports = {.net = ACCESS_NET_4};

    s->files = create(&files);
    if (s->landlock >= 4)
        s->ports = create(&ports);
}

static void allow_beneath(const struct sandbox *s, int fd, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights & file_rights(s->landlock),
                                              .parent_fd = fd};

    if (syscall(SYS_landlock_add_rule, s->files, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        log_write_errno(&log_process, LOG_ALERT, errno, "landlock_add_rule() failed");
}

void sandbox_may_read(struct sandbox *s, const char *path)
{
    struct stat st;
    int fd = s->files == -1 ? -1 : open(path, O_PATH | O_CLOEXEC);

    if (fd == -1)
        return;
    bool is_folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    allow_beneath(s, fd,
                  LANDLOCK_ACCESS_FS_READ_FILE | (is_folder ? LANDLOCK_ACCESS_FS_READ_DIR : 0));
    (void)close(fd);
}

void sandbox_may_write_in(struct sandbox *s, int folder)
{
    if (s->files != -1)
        allow_beneath(s, folder,
                      LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                          LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                          ACCESS_FS_3);
}

void sandbox_may_connect(struct sandbox *s, uint16_t port)
{
    struct port_rule rule = {.allowed = CONNECT_TCP, .port = port};

    if (s->ports != -1 && syscall(SYS_landlock_add_rule, s->ports, RULE_NET_PORT, &rule, 0) != 0)
        log_write_errno(&log_process, LOG_ALERT, errno, "landlock_add_rule() failed");
}

void sandbox_may_connect_anywhere(struct sandbox *s)
{
    if (s->ports != -1)
        (void)close(s->ports);
    s->ports = -1;
}

static bool restrict_self(int ruleset)
{
    return ruleset == -1 || syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
}

bool landlock_enter(const struct sandbox *s)
{
    return restrict_self(s->files) && restrict_self(s->ports);
}
