#include "password.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "portcullis/base/memory.h"

enum { LINE_MAX_OCTETS = 1024 };

static void read_line(int fd, struct buf *to)
{
    char c;

    while (buf_len(to) < LINE_MAX_OCTETS && read(fd, &c, 1) == 1 && c != '\n')
        buf_append_char(to, c);
}

/* Without a terminal there is nobody to ask. */
static bool ask_terminal(struct buf *to)
{
    static const char question[] = "Password: ";
    struct termios was, silent;
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

    if (fd == -1)
        return false;
    bool ok = tcgetattr(fd, &was) == 0;
    silent = was;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    ok = ok && tcsetattr(fd, TCSAFLUSH, &silent) == 0 &&
         write(fd, question, sizeof question - 1) > 0;
    if (ok) {
        read_line(fd, to);
        (void)tcsetattr(fd, TCSAFLUSH, &was);
        (void)!write(fd, "\n", 1);
    }
    (void)close(fd);
    return ok;
}

static bool read_file(const char *path, struct buf *to)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1)
        return false;
    read_line(fd, to);
    (void)close(fd);
    return true;
}

static void wipe(struct buf *b)
{
    if (b->data != NULL)
        mem_wipe(b->data, b->capacity);
    buf_clear(b);
}

struct str password_ask(void *owner)
{
    struct password *p = owner;

    wipe(&p->text);
    (void)buf_reserve(&p->text, LINE_MAX_OCTETS); /* grows no more, so nothing is left behind */
    bool is_there = p->file != NULL ? read_file(p->file, &p->text) : ask_terminal(&p->text);
    return is_there ? buf_str(&p->text) : STR_NONE;
}

void password_deinit(struct password *p)
{
    wipe(&p->text);
    buf_deinit(&p->text);
}
