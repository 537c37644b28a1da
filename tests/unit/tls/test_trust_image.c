#include <time.h>
#include <unistd.h>

#include "portcullis/tls/trust_image.h"
#include "support.h"

/* A configuration: a server block each, found by its keys. */
struct configuration {
    struct arena arena;
    struct tls_pool *pool;
    struct tls_context *contexts[8];
    size_t count;
};

struct block {
    const char *ca, *crl, *keys[3];
    bool asks_nobody;
    uint64_t policy;
};

static void add_context(struct configuration *c, const struct block *b)
{
    struct tls_settings s = article();
    s.client_certificate = str_of(cert_path(b->ca != NULL ? b->ca : "ca.crt"));
    if (b->crl != NULL)
        s.crl = str_of(cert_path(b->crl));
    s.policy = b->policy;
    if (b->asks_nobody)
        s.verify = TLS_VERIFY_OFF;
    for (size_t i = 0; i < 3 && b->keys[i] != NULL; i++)
        *VEC_PUSH(&c->arena, &s.keys) = str_of(b->keys[i]);
    struct tls_context *context = tls_context_new(c->pool, &s, reports);
    cr_assert_not_null(context, "%s", last_report);
    c->contexts[c->count++] = context;
}

static struct configuration configuration_of(const struct block *blocks, size_t count)
{
    struct configuration c = {.pool = tls_pool_new()};
    arena_init(&c.arena, 4096);
    for (size_t i = 0; i < count; i++)
        add_context(&c, &blocks[i]);
    return c;
}

static void free_configuration(struct configuration *c)
{
    for (size_t i = 0; i < c->count; i++)
        tls_context_free(c->contexts[i]);
    tls_pool_free(c->pool);
    arena_deinit(&c->arena);
}

static enum refusal verdict(const struct tls_context *c, const char *client)
{
    struct chain chain = {0};
    chain_add_rogue(&chain, client);
    struct identity *i = identity_new(chain.list, chain.count);
    tls_context_judge(c, i, time(NULL));
    enum refusal refusal = identity_refusal(i);
    identity_unref(i);
    chain_free(&chain);
    return refusal;
}

Test(trust_image, gives_the_verdicts_of_the_files)
{
    static struct rogue rogues[128];
    size_t count = read_rogues(rogues, 128);
    for (size_t n = 0; n < count; n++) {
        const struct block block = {.crl = rogues[n].crl[0] != '\0' ? rogues[n].crl : NULL};
        struct configuration c = configuration_of(&block, 1);
        enum refusal before = verdict(c.contexts[0], rogues[n].name);
        int fd = trust_image_share(c.pool);
        cr_assert_neq(fd, -1);
        cr_expect_eq(verdict(c.contexts[0], rogues[n].name), before, "%s", rogues[n].name);
        close(fd);
        free_configuration(&c);
    }
    cr_assert_gt(count, 20);
}

Test(trust_image, of_another_configuration_counts_for_the_server_of_the_same_name)
{
    static const struct block old[] = {{.keys = {"a"}},
                                       {.keys = {"b", "a"}},
                                       {.keys = {"gone"}},
                                       {.keys = {"twice"}},
                                       {.keys = {"open"}},
                                       {.keys = {"ruled"}, .policy = 1},
                                       {0}};
    static const struct block new[] = {{.crl = "rogues/crl.pem", .keys = {"c", "b"}},
                                       {.keys = {"a", "twice"}},
                                       {.keys = {"twice"}},
                                       {.keys = {"open"}, .asks_nobody = true},
                                       {.keys = {"ruled"}, .policy = 2}};
    struct configuration before = configuration_of(old, 7), after = configuration_of(new, 5);
    int fd = trust_image_share(after.pool);
    for (size_t i = 0; i < before.count; i++)
        cr_expect_eq(verdict(before.contexts[i], "revoked"), REFUSAL_NONE);
    cr_assert(trust_image_adopt(before.pool, fd));
    static const bool is_orphan[] = {false, false, true, true, true, true, true};
    for (size_t i = 0; i < before.count; i++)
        cr_expect_eq(tls_context_is_orphan(before.contexts[i]), is_orphan[i], "%zu", i);
    cr_expect_eq(verdict(before.contexts[0], "revoked"), REFUSAL_NONE);
    cr_expect_eq(verdict(before.contexts[1], "revoked"), REFUSAL_CERT_REVOKED);
    cr_expect_eq(verdict(before.contexts[1], "good"), REFUSAL_NONE);
    cr_expect_neq(verdict(before.contexts[2], "good"), REFUSAL_NONE);
    close(fd);
    free_configuration(&before);
    free_configuration(&after);
}

Test(trust_image, tells_who_asked_nobody_that_his_name_asks_now)
{
    static const struct block old[] = {{.keys = {"a"}, .asks_nobody = true},
                                       {.keys = {"b", "a"}, .asks_nobody = true},
                                       {.keys = {"twice"}, .asks_nobody = true},
                                       {.keys = {"gone"}, .asks_nobody = true},
                                       {.keys = {"open"}, .asks_nobody = true},
                                       {.keys = {"asked"}},
                                       {.asks_nobody = true}};
    static const struct block new[] = {{.keys = {"b", "a"}},
                                       {.keys = {"twice"}},
                                       {.keys = {"twice"}},
                                       {.keys = {"open"}, .asks_nobody = true},
                                       {.keys = {"asked"}}};
    static const bool is_outdated[] = {true, true, true, false, false, false, false};
    struct configuration before = configuration_of(old, 7), after = configuration_of(new, 5);
    int fd = trust_image_share(after.pool);
    cr_assert(trust_image_adopt(before.pool, fd));
    for (size_t i = 0; i < before.count; i++)
        cr_expect_eq(tls_context_is_outdated(before.contexts[i]), is_outdated[i], "%zu", i);
    close(fd);
    free_configuration(&before);
    free_configuration(&after);
}

/* Its own servers are known by their place, whatever their names. */
Test(trust_image, of_its_own_configuration_leaves_no_orphans)
{
    static const struct block blocks[] = {{.keys = {"twice"}},
                                          {.keys = {"twice"}, .crl = "rogues/crl.pem"},
                                          {.keys = {"twice"}, .asks_nobody = true}};
    struct configuration c = configuration_of(blocks, 3);
    int fd = trust_image_share(c.pool);
    cr_assert(trust_image_adopt(c.pool, fd));
    for (size_t i = 0; i < c.count; i++)
        cr_expect_not(tls_context_is_orphan(c.contexts[i]) ||
                          tls_context_is_outdated(c.contexts[i]),
                      "%zu", i);
    cr_expect_eq(verdict(c.contexts[0], "revoked"), REFUSAL_NONE);
    cr_expect_eq(verdict(c.contexts[1], "revoked"), REFUSAL_CERT_REVOKED);
    close(fd);
    free_configuration(&c);
}

Test(trust_image, that_cannot_be_read_lets_nobody_in)
{
    static const struct block block = {.keys = {"a"}};
    int fds[2];
    cr_assert(pipe(fds) == 0);
    const int bad[] = {-1, fds[0]};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct configuration c = configuration_of(&block, 1);
        cr_expect_not(trust_image_adopt(c.pool, bad[i]));
        cr_expect(tls_context_is_orphan(c.contexts[0]));
        cr_expect_neq(verdict(c.contexts[0], "good"), REFUSAL_NONE);
        free_configuration(&c);
    }
    close(fds[0]);
    close(fds[1]);
}

Test(trust_image, cannot_be_written)
{
    static const struct block block = {.keys = {"a"}};
    struct configuration c = configuration_of(&block, 1);
    int fd = trust_image_share(c.pool);
    cr_expect_eq(write(fd, "x", 1), -1);
    cr_expect_eq(ftruncate(fd, 0), -1);
    close(fd);
    free_configuration(&c);
}

Test(trust_image, makes_verdicts_old)
{
    static const struct block block = {.keys = {"a"}};
    struct configuration c = configuration_of(&block, 1);
    struct chain chain = {0};
    chain_add_rogue(&chain, "good");
    struct identity *i = identity_new(chain.list, chain.count);
    time_t now = time(NULL), year = 400 * 86400;
    tls_context_judge_again(c.contexts[0], i, now, 0);
    cr_expect(identity_is_verified(i));
    tls_context_judge_again(c.contexts[0], i, now + year, 0);
    cr_expect(identity_is_verified(i), "of any age");
    tls_context_judge_again(c.contexts[0], i, now + year, year + 1);
    cr_expect(identity_is_verified(i), "young enough");
    tls_context_judge_again(c.contexts[0], i, now + year, year);
    cr_expect_eq(identity_refusal(i), REFUSAL_CERT_EXPIRED, "too old");
    tls_context_judge_again(c.contexts[0], i, now, 60);
    cr_expect(identity_is_verified(i), "the clock went back");
    struct str kept = identity_verify_text(i);
    int fd = trust_image_share(c.pool);
    tls_context_judge_again(c.contexts[0], i, now + year, 0);
    cr_expect_eq(identity_refusal(i), REFUSAL_CERT_EXPIRED, "by another trust");
    cr_expect(str_eq_z(kept, "SUCCESS"), "what was borrowed stays");
    close(fd);
    identity_unref(i);
    chain_free(&chain);
    free_configuration(&c);
}
