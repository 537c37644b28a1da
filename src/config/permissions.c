/* Who else could change what this program does, or take its keys: permissions of the files that a
 * configuration is made of. They are warned of, not refused: nginx starts with them. */
#include <sys/stat.h>
#include <unistd.h>

#include "loader.h"

enum { READ_BY_ALL = S_IROTH, WRITTEN_BY_ALL = S_IWOTH };

struct look {
    struct loader *l;
    struct strmap seen; /* a file is warned of once */
    const struct conf_pos *pos;
};

static bool is_new(struct look *k, struct str path)
{
    static char mark;

    return path.len > 0 && strmap_add(&k->seen, path, &mark);
}

static void judge_mode(const struct look *k, struct str path, unsigned mode, unsigned wrong)
{
    if ((mode & wrong & WRITTEN_BY_ALL) != 0)
        report_warn(&k->l->report, k->pos, "chmod o-w",
                    "every user may change \"%.*s\" (mode %04o)", STR_ARG(path), mode);
    else if ((mode & wrong & READ_BY_ALL) != 0)
        report_warn(&k->l->report, k->pos, "chmod o-r",
                    "every user may read the secret in \"%.*s\" (mode %04o)", STR_ARG(path), mode);
}

/* For root alone: who starts it as another user has the files of whom he likes. */
static void judge_owner(const struct look *k, struct str path, uid_t owner)
{
    if (geteuid() == 0 && owner != 0)
        report_warn(&k->l->report, k->pos, "chown root",
                    "user %u, who is not root, may change \"%.*s\"", (unsigned)owner,
                    STR_ARG(path));
}

static void judge(struct look *k, struct str path, unsigned wrong)
{
    struct stat st;

    if (!is_new(k, path) || stat(arena_z(k->l->arena, path), &st) != 0 || !S_ISREG(st.st_mode))
        return;
    judge_mode(k, path, st.st_mode & 07777, wrong);
    judge_owner(k, path, st.st_uid);
}

static void judge_server(struct look *k, const struct server_conf *s)
{
    const struct tls_settings *t = &s->tls;
    const struct str trusted[] = {t->client_certificate, t->trusted_certificate, t->intermediates,
                                  t->crl};

    k->pos = s->tls_pos.line != 0 ? &s->tls_pos : &s->pos;
    VEC_FOR(struct str, it, &t->certificate_keys)
        judge(k, *it, READ_BY_ALL | WRITTEN_BY_ALL);
    VEC_FOR(struct str, it, &t->ticket_keys)
        judge(k, *it, READ_BY_ALL | WRITTEN_BY_ALL);
    judge(k, t->password_file, READ_BY_ALL | WRITTEN_BY_ALL);
    for (size_t i = 0; i < sizeof trusted / sizeof trusted[0]; i++)
        judge(k, trusted[i], WRITTEN_BY_ALL);
}

void permissions_check(struct loader *l)
{
    struct look k = {.l = l};

    strmap_init(&k.seen, l->arena, false);
    VEC_FOR(const struct conf_text, f, &l->snapshot->files)
        judge(&k, f->path, WRITTEN_BY_ALL);
    VEC_FOR(struct server_conf *, s, &l->snapshot->http.servers)
        judge_server(&k, *s);
}
