/* Both ends of a connection, and an owner that notes what it is told. */
#ifndef TESTS_UNIT_NET_SUPPORT_H
#define TESTS_UNIT_NET_SUPPORT_H

#include "portcullis/net/loop.h"
#include "portcullis/net/stream.h"

struct owner {
    struct loop *loop;
    struct stream *stream;
    struct buf got;
    struct str trace; /* one letter an event: o d e(clean) E(not clean) r(drain) c */
    char trace_text[64];
    enum close_reason why;
    int error;              /* stream_error at on_close */
    bool keeps_input;       /* on_data consumes nothing */
    size_t consume_at_most; /* 0: everything */
    void (*also_on_open)(struct owner *o);
    void (*also_on_data)(struct owner *o);
    void (*also_on_eof)(struct owner *o);
    void (*also_on_drain)(struct owner *o);
    void (*also_on_close)(struct owner *o);
};

extern const struct stream_events owner_events;

void owner_init(struct owner *o, struct loop *l);
void owner_deinit(struct owner *o);
bool owner_saw(const struct owner *o, const char *trace);

/* A stream on one end of a socketpair; the other end is returned, blocking. */
int open_pair(struct owner *o);
void send_z(int fd, const char *z);
void write_z(struct stream *s, const char *z);
/* Reads until the end of file. */
/* Writes by turns what is short and what is long enough to go out at once, until told to wait, and
 * appends to said what it wrote. False: TURNS were written. */
enum { TURNS = 40 };
bool write_in_turns(struct stream *s, struct buf *said);
void read_all(int fd, struct buf *to);

int listen_on_loopback(struct addr *at);
/* Runs the loop for a bounded time: a test that waits for ever fails. */
void run(struct loop *l);

#endif
