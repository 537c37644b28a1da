/* The event loop of a worker, its timers, and calls for later. libuv is behind it and does not
 * show. One loop a process; everything of it happens in one thread. */
#ifndef PORTCULLIS_NET_LOOP_H
#define PORTCULLIS_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

struct loop *loop_new(void);
void loop_free(struct loop *l); /* everything of it must have been closed */
void loop_run(struct loop *l);  /* until loop_stop, or nothing is left to wait for */
void loop_stop(struct loop *l);

/* Calls fn(arg) from the loop, on an empty stack, before it waits again; in the order asked. */
void loop_defer(struct loop *l, void (*fn)(void *arg), void *arg);
/* Forgets what was asked for with the same fn and arg: for an arg that is about to be freed. */
void loop_defer_cancel(struct loop *l, void (*fn)(void *arg), void *arg);

/* There are as many handshakes as a turn of the loop has room for: they may wait for us. */
bool loop_is_behind(const struct loop *l);

/* A timer is owned by whoever made it; it fires once for each start. */
struct timer;
struct timer *timer_new(struct loop *l, void (*on_fire)(void *owner), void *owner);
void timer_set_owner(struct timer *t, void (*on_fire)(void *owner), void *owner);
void timer_start(struct timer *t, int64_t ms); /* starts anew when running */
void timer_stop(struct timer *t);
bool timer_is_running(const struct timer *t);
void timer_free(struct timer *t); /* NULL is fine; any time, also while firing */
/* Running timers do not by themselves keep loop_run from ending when weak. */
void timer_set_weak(struct timer *t, bool weak);

/* Tells when fd can be read (the worker's channel to the builder). */
struct watch;
struct watch *watch_new(struct loop *l, int fd, void (*on_readable)(void *owner), void *owner);
void watch_free(struct watch *w);

#endif
