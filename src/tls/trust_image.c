/* In an image the pointer of every struct str and array is an offset from its beginning. */
#include "portcullis/tls/trust_image.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool.h"
#include "portcullis/base/memory.h"
#include "trust_image.h"

/* Records of one kind; at: where they begin. */
struct span {
    uint64_t at, count;
};

struct packed_head {
    char magic[8];
    unsigned char configuration[TLS_POOL_ID_SIZE]; /* whose image it is */
    struct span sets, servers;
};

struct packed_cert {
    struct str der;
    uint32_t subject_hash;
    enum trust_kind kind;
};

struct packed_set {
    struct span certs, crls, names;
    unsigned char digest[32];
};

/* In the order of the pool's contexts. */
struct packed_server {
    struct span keys; /* of struct str */
    uint64_t set;
    bool asks; /* clients for certificates */
    uint64_t policy;
    struct verify_rules rules;
};

static const char magic[8] = "PCTRUST";

/* What of a list is text, and how large a list is: who adds a field to it must look here. */
static const size_t crl_texts[] = {
    offsetof(struct crl, issuer),     offsetof(struct crl, key_id), offsetof(struct crl, points),
    offsetof(struct crl, number),     offsetof(struct crl, base),   offsetof(struct crl, signature),
    offsetof(struct crl, checked_key)};
static_assert(sizeof(struct crl) == 232, "a new field is packed, too");

static struct str *crl_text(struct crl *l, size_t i)
{
    return (struct str *)(void *)((char *)l + crl_texts[i]);
}

enum { CRL_TEXTS = sizeof crl_texts / sizeof *crl_texts };

/* ---- packing --------------------------------------------------------------------------------- */

struct packer {
    int fd;
    uint64_t end;
    int err; /* the first errno; 0: none */
};

static bool write_at(int fd, const char *data, size_t size, uint64_t at)
{
    while (size > 0) {
        ssize_t written = pwrite(fd, data, size, (off_t)at);
        if (written == -1 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        data += written;
        size -= (size_t)written;
        at += (uint64_t)written;
    }
    return true;
}

static uint64_t put(struct packer *p, const void *data, size_t size)
{
    if (size == 0)
        return p->end;
    uint64_t at = (p->end + 15) & ~UINT64_C(15);
    if (p->err == 0 && !write_at(p->fd, data, size, at))
        p->err = errno;
    p->end = at + size;
    return at;
}

static struct span put_array(struct packer *p, const void *items, size_t count, size_t size)
{
    return (struct span){put(p, items, count * size), count};
}

static struct str put_str(struct packer *p, struct str s)
{
    if (s.ptr == NULL)
        return STR_NONE;
    uint64_t at = put(p, s.ptr, s.len);
    return str_make((const char *)(uintptr_t)at, s.len);
}

static struct span put_certs(struct packer *p, const struct trust *t)
{
    struct packed_cert *packed = mem_zalloc((t->cert_count + 1) * sizeof *packed);
    for (size_t i = 0; i < t->cert_count; i++) {
        const struct trust_cert *c = &t->certs[i];
        packed[i].der = put_str(p, c->cert.der);
        packed[i].subject_hash = c->subject_hash;
        packed[i].kind = c->kind;
    }
    struct span span = put_array(p, packed, t->cert_count, sizeof *packed);
    mem_free(packed);
    return span;
}

static void pack_crl(struct packer *p, struct crl *l)
{
    for (size_t i = 0; i < CRL_TEXTS; i++)
        *crl_text(l, i) = put_str(p, *crl_text(l, i));
    l->entries = (struct crl_entry *)(uintptr_t)put(p, l->entries, l->count * sizeof *l->entries);
}

static struct span put_crls(struct packer *p, const struct trust *t)
{
    struct crl *packed = mem_zalloc((t->crl_count + 1) * sizeof *packed);
    for (size_t i = 0; i < t->crl_count; i++) {
        packed[i] = t->crls[i];
        pack_crl(p, &packed[i]);
    }
    struct span span = put_array(p, packed, t->crl_count, sizeof *packed);
    mem_free(packed);
    return span;
}

static struct span put_names(struct packer *p, const mbedtls_x509_crt *names)
{
    struct buf packed = {0};
    size_t count = 0;
    for (const mbedtls_x509_crt *n = names; n != NULL; n = n->next, count++) {
        struct str name = put_str(p, str_make((char *)n->subject_raw.p, n->subject_raw.len));
        buf_append(&packed, &name, sizeof name);
    }
    struct span span = put_array(p, buf_str(&packed).ptr, count, sizeof(struct str));
    buf_deinit(&packed);
    return span;
}

static struct span put_keys(struct packer *p, const struct tls_settings *s)
{
    struct str *packed = mem_zalloc((s->keys.count + 1) * sizeof *packed);
    for (size_t i = 0; i < s->keys.count; i++)
        packed[i] = put_str(p, s->keys.items[i]);
    struct span span = put_array(p, packed, s->keys.count, sizeof *packed);
    mem_free(packed);
    return span;
}

static struct span put_sets(struct packer *p, const struct tls_pool *pool)
{
    struct buf packed = {0};
    size_t count = 0;
    for (struct trust_set *t = pool->trusts; t != NULL; t = t->next) {
        struct packed_set set = {.certs = put_certs(p, t->trust),
                                 .crls = put_crls(p, t->trust),
                                 .names = put_names(p, t->names)};
        memcpy(set.digest, t->digest, sizeof set.digest);
        buf_append(&packed, &set, sizeof set);
        t->number = count++;
    }
    struct span span = put_array(p, buf_str(&packed).ptr, count, sizeof(struct packed_set));
    buf_deinit(&packed);
    return span;
}

static struct span put_servers(struct packer *p, const struct tls_pool *pool)
{
    struct buf packed = {0};
    size_t count = 0;
    for (struct list *it = pool->contexts.next; it != &pool->contexts; it = it->next, count++) {
        const struct tls_context *c = CONTAINER_OF(it, struct tls_context, link);
        struct packed_server server;
        memset(&server, 0, sizeof server); /* its padding, too, goes into the file */
        server.keys = put_keys(p, &c->settings);
        server.set = c->set->number;
        server.asks = tls_settings_ask(&c->settings);
        server.policy = c->settings.policy;
        server.rules = c->rules;
        buf_append(&packed, &server, sizeof server);
    }
    struct span span = put_array(p, buf_str(&packed).ptr, count, sizeof(struct packed_server));
    buf_deinit(&packed);
    return span;
}

static bool pack(int fd, const struct tls_pool *pool)
{
    struct packer p = {.fd = fd, .end = sizeof(struct packed_head)};
    struct packed_head head = {0};
    memcpy(head.magic, magic, sizeof magic);
    memcpy(head.configuration, pool->id, sizeof pool->id);
    head.sets = put_sets(&p, pool);
    head.servers = put_servers(&p, pool);
    if (p.err == 0 && !write_at(fd, (const char *)&head, sizeof head, 0))
        p.err = errno;
    errno = p.err;
    return p.err == 0;
}

int trust_image_make(const struct tls_pool *pool)
{
    enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL };
    int fd = memfd_create("trust", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd == -1)
        return -1;
    if (pack(fd, pool) && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
        return fd;
    int err = errno;
    (void)close(fd);
    errno = err;
    return -1;
}

/* ---- mapping --------------------------------------------------------------------------------- */

struct trust_image {
    char *memory;
    size_t size;
    struct arena arena;
    struct trust_set *sets;
    size_t set_count;
};

void trust_image_free(struct trust_image *i)
{
    if (i == NULL)
        return;
    for (size_t n = 0; n < i->set_count; n++)
        trust_free(i->sets[n].trust);
    arena_deinit(&i->arena);
    (void)munmap(i->memory, i->size);
    mem_free(i);
}

static const void *at(const struct trust_image *i, uint64_t offset)
{
    assert(offset <= i->size);
    return i->memory + offset;
}

static struct str text(const struct trust_image *i, struct str packed)
{
    return packed.ptr == NULL ? STR_NONE : str_make(at(i, (uintptr_t)packed.ptr), packed.len);
}

static const struct packed_head *head_of(const struct trust_image *i)
{
    return at(i, 0);
}

static bool unpack_certs(const struct trust_image *i, struct trust *t, struct span span)
{
    const struct packed_cert *packed = at(i, span.at);
    for (size_t n = 0; n < span.count; n++)
        if (!trust_borrow(t, text(i, packed[n].der), packed[n].subject_hash, packed[n].kind))
            return false;
    return true;
}

static void unpack_crls(const struct trust_image *i, struct trust *t, struct span span)
{
    t->crls = mem_zalloc((span.count + 1) * sizeof *t->crls);
    memcpy(t->crls, at(i, span.at), span.count * sizeof *t->crls);
    t->crl_count = t->crl_capacity = span.count;
    for (size_t n = 0; n < span.count; n++) {
        struct crl *l = &t->crls[n];
        for (size_t k = 0; k < CRL_TEXTS; k++)
            *crl_text(l, k) = text(i, *crl_text(l, k));
        l->entries = (struct crl_entry *)(uintptr_t)at(i, (uintptr_t)l->entries);
    }
}

static bool unpack_set(struct trust_image *i, struct trust_set *set, const struct packed_set *from)
{
    const struct str *names = at(i, from->names.at);
    set->arena = &i->arena;
    set->trust = trust_new();
    for (size_t n = 0; n < from->names.count; n++)
        trust_set_add_name(set, text(i, names[n]));
    memcpy(set->digest, from->digest, sizeof set->digest);
    unpack_crls(i, set->trust, from->crls);
    return unpack_certs(i, set->trust, from->certs);
}

static bool unpack(struct trust_image *i)
{
    struct span span = head_of(i)->sets;
    const struct packed_set *packed = at(i, span.at);
    i->sets = ARENA_ARRAY(&i->arena, struct trust_set, span.count + 1);
    for (i->set_count = 0; i->set_count < span.count;) {
        size_t n = i->set_count++;
        if (!unpack_set(i, &i->sets[n], &packed[n]))
            return false;
    }
    return true;
}

static struct trust_image *map(int fd)
{
    struct stat st;
    if (fstat(fd, &st) == -1 || (size_t)st.st_size < sizeof(struct packed_head))
        return NULL;
    /* Private, since kernels before 6.7 share nothing that is sealed against writing; the pages are
     * the same as long as nobody writes. */
    void *memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (memory == MAP_FAILED)
        return NULL;
    struct trust_image *i = MEM_NEW(struct trust_image);
    *i = (struct trust_image){.memory = memory, .size = (size_t)st.st_size};
    arena_init(&i->arena, 4096);
    if (memcmp(head_of(i)->magic, magic, sizeof magic) == 0 && unpack(i))
        return i;
    trust_image_free(i);
    return NULL;
}

/* ---- adopting -------------------------------------------------------------------------------- */

static bool has_key(const struct trust_image *i, const struct packed_server *server, struct str key)
{
    const struct str *keys = at(i, server->keys.at);
    for (size_t n = 0; n < server->keys.count; n++)
        if (str_eq(text(i, keys[n]), key))
            return true;
    return false;
}

/* Two that go by one name are none: nobody can tell which of them it was. */
static const struct packed_server *find_server(const struct trust_image *i,
                                               const struct tls_settings *s)
{
    const struct packed_server *servers = at(i, head_of(i)->servers.at), *found = NULL;
    for (size_t n = 0; s->keys.count > 0 && n < head_of(i)->servers.count; n++) {
        if (!has_key(i, &servers[n], s->keys.items[0]))
            continue;
        if (found != NULL)
            return NULL;
        found = &servers[n];
    }
    return found != NULL && found->asks && found->policy == s->policy ? found : NULL;
}

static const struct packed_server *server_of(const struct trust_image *i, const struct tls_pool *p,
                                             const struct tls_context *c, size_t number)
{
    const struct packed_head *head = head_of(i);
    const struct packed_server *servers = at(i, head->servers.at);
    if (memcmp(head->configuration, p->id, sizeof p->id) != 0)
        return find_server(i, &c->settings);
    assert(number < head->servers.count);
    return &servers[number];
}

/* Did it ask nobody for a certificate, where a server of its name does now? */
static bool is_outdated(const struct trust_image *i, const struct tls_pool *p,
                        const struct tls_settings *s)
{
    const struct packed_head *head = head_of(i);
    const struct packed_server *servers = at(i, head->servers.at);
    if (tls_settings_ask(s) || s->keys.count == 0 ||
        memcmp(head->configuration, p->id, sizeof p->id) == 0)
        return false;
    for (size_t n = 0; n < head->servers.count; n++)
        if (servers[n].asks && has_key(i, &servers[n], s->keys.items[0]))
            return true;
    return false;
}

/* i NULL: all are orphans. */
static void adopt(struct tls_pool *p, struct trust_image *i)
{
    size_t number = 0;
    LIST_FOR_EACH(it, &p->contexts)
    {
        struct tls_context *c = CONTAINER_OF(it, struct tls_context, link);
        const struct packed_server *s = i != NULL ? server_of(i, p, c, number++) : NULL;
        context_trust(c, s != NULL ? &i->sets[s->set] : NULL, s != NULL ? &s->rules : &c->rules);
        c->is_outdated = i != NULL && is_outdated(i, p, &c->settings);
    }
    pool_drop_trusts(p);
    trust_image_free(p->image);
    p->image = i;
}

bool trust_image_adopt(struct tls_pool *p, int fd)
{
    struct trust_image *i = map(fd);
    adopt(p, i);
    return i != NULL;
}

int trust_image_share(struct tls_pool *p)
{
    int fd = trust_image_make(p);
    struct trust_image *i = fd != -1 ? map(fd) : NULL;
    if (i != NULL) {
        adopt(p, i);
        return fd;
    }
    int err = errno;
    if (fd != -1)
        (void)close(fd);
    errno = err;
    return -1;
}
