#include "portcullis/base/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#ifdef PORTCULLIS_STATIC

#define GROUPS_MAX 256

static struct passwd *find_passwd(const char *name)
{
    FILE *file = fopen("/etc/passwd", "re");
    struct passwd *p = NULL;

    if (file == NULL)
        return NULL;
    while ((p = fgetpwent(file)) != NULL && strcmp(p->pw_name, name) != 0)
        continue;
    (void)fclose(file);
    return p;
}

static struct group *find_group(const char *name)
{
    FILE *file = fopen("/etc/group", "re");
    struct group *g = NULL;

    if (file == NULL)
        return NULL;
    while ((g = fgetgrent(file)) != NULL && strcmp(g->gr_name, name) != 0)
        continue;
    (void)fclose(file);
    return g;
}

static bool has_member(const struct group *g, const char *name)
{
    for (char **it = g->gr_mem; *it != NULL; it++)
        if (strcmp(*it, name) == 0)
            return true;
    return false;
}

bool user_take_groups(const char *name, gid_t gid)
{
    gid_t all[GROUPS_MAX] = {gid};
    size_t count = 1;
    FILE *file = fopen("/etc/group", "re");
    struct group *g;

    while (file != NULL && count < GROUPS_MAX && (g = fgetgrent(file)) != NULL)
        if (g->gr_gid != gid && has_member(g, name))
            all[count++] = g->gr_gid;
    if (file != NULL)
        (void)fclose(file);
    return setgroups(count, all) == 0;
}

#else

static struct passwd *find_passwd(const char *name)
{
    return getpwnam(name);
}

static struct group *find_group(const char *name)
{
    return getgrnam(name);
}

bool user_take_groups(const char *name, gid_t gid)
{
    return initgroups(name, gid) == 0;
}

#endif

bool user_find(const char *name, struct user *out)
{
    errno = 0;
    const struct passwd *p = find_passwd(name);

    if (p == NULL)
        return false;
    *out = (struct user){p->pw_uid, p->pw_gid};
    return true;
}

bool group_find(const char *name, gid_t *out)
{
    errno = 0;
    const struct group *g = find_group(name);

    if (g == NULL)
        return false;
    *out = g->gr_gid;
    return true;
}
