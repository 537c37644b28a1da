#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "portcullis/daemon/command.h"

#define WORDS_MAX 8

struct row {
    const char *words[WORDS_MAX];
    enum command_action action;
    const char *conf_path, *prefix, *error_log, *directives, *check;
    int signal;
    bool dump, quiet, details, help;
};

static const struct row rows[] = {
    {{NULL},
     COMMAND_RUN,
     "/etc/portcullis/portcullis.conf",
     "/etc/portcullis/",
     "",
     "",
     "",
     0,
     0,
     0,
     0,
     0},
    {{"-c", "/x/y.conf"}, COMMAND_RUN, "/x/y.conf", "/etc/portcullis/", "", "", "", 0, 0, 0, 0, 0},
    {{"-c/x/y.conf"}, COMMAND_RUN, "/x/y.conf", "/etc/portcullis/", "", "", "", 0, 0, 0, 0, 0},
    {{"-p", "/opt/gate", "-c", "y.conf"},
     COMMAND_RUN,
     "/opt/gate/y.conf",
     "/opt/gate/",
     "",
     "",
     "",
     0,
     0,
     0,
     0,
     0},
    {{"-p/opt/gate/"},
     COMMAND_RUN,
     "/opt/gate/portcullis.conf",
     "/opt/gate/",
     "",
     "",
     "",
     0,
     0,
     0,
     0,
     0},
    {{"-e", "log", "-p", "/o"},
     COMMAND_RUN,
     "/o/portcullis.conf",
     "/o/",
     "/o/log",
     "",
     "",
     0,
     0,
     0,
     0,
     0},
    {{"-e", "stderr"}, COMMAND_RUN, NULL, NULL, "", "", "", 0, 0, 0, 0, 0},
    {{"-g", "daemon off;"}, COMMAND_RUN, NULL, NULL, "", "daemon off;", "", 0, 0, 0, 0, 0},
    {{"-t"}, COMMAND_TEST, NULL, NULL, "", "", "", 0, 0, 0, 0, 0},
    {{"-tq"}, COMMAND_TEST, NULL, NULL, "", "", "", 0, 0, 1, 0, 0},
    {{"-qT", "-c", "/f"}, COMMAND_TEST, "/f", NULL, "", "", "", 0, 1, 1, 0, 0},
    {{"-tc", "/f"}, COMMAND_TEST, "/f", NULL, "", "", "", 0, 0, 0, 0, 0},
    {{"-s", "stop"}, COMMAND_SIGNAL, NULL, NULL, "", "", "", SIGTERM, 0, 0, 0, 0},
    {{"-s", "quit"}, COMMAND_SIGNAL, NULL, NULL, "", "", "", SIGQUIT, 0, 0, 0, 0},
    {{"-s", "reopen"}, COMMAND_SIGNAL, NULL, NULL, "", "", "", SIGUSR1, 0, 0, 0, 0},
    {{"-sreload"}, COMMAND_SIGNAL, NULL, NULL, "", "", "", SIGHUP, 0, 0, 0, 0},
    {{"-v"}, COMMAND_VERSION, NULL, NULL, "", "", "", 0, 0, 0, 0, 0},
    {{"-V"}, COMMAND_VERSION, NULL, NULL, "", "", "", 0, 0, 0, 1, 0},
    {{"-h"}, COMMAND_VERSION, NULL, NULL, "", "", "", 0, 0, 0, 0, 1},
    {{"-?"}, COMMAND_VERSION, NULL, NULL, "", "", "", 0, 0, 0, 0, 1},
    {{"--check"}, COMMAND_CHECK, NULL, NULL, "", "", "", 0, 0, 0, 0, 0},
    {{"--check", "localhost:443"},
     COMMAND_CHECK,
     NULL,
     NULL,
     "",
     "",
     "localhost:443",
     0,
     0,
     0,
     0,
     0},
    {{"explain", "-c", "/f", "x.crt"}, COMMAND_EXPLAIN, "/f", NULL, "", "", "", 0, 0, 0, 0, 0},
    {{"--clients", "d"}, COMMAND_TEST, NULL, NULL, "", "", "", 0, 0, 0, 0, 0},
    {{"explain", "-h"}, COMMAND_EXPLAIN, NULL, NULL, "", "", "", 0, 0, 0, 0, 1},
    {{"--check", "-c", "/f"}, COMMAND_CHECK, "/f", NULL, "", "", "", 0, 0, 0, 0, 0},
};

static void parse(struct command *c, const char *const *words)
{
    char *argv[WORDS_MAX + 2] = {(char[]){"portcullis"}};
    int argc = 1;

    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)words[argc - 1];
    command_parse(c, argc, argv);
}

static void check_str(size_t row, struct str got, const char *wanted)
{
    if (wanted != NULL)
        cr_expect(str_eq_z(got, wanted), "row %zu: \"%.*s\" is not \"%s\"", row, STR_ARG(got),
                  wanted);
}

Test(command, reads_what_nginx_reads)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        struct command c;
        parse(&c, r->words);
        cr_expect_eq(c.action, r->action, "row %zu", i);
        check_str(i, c.conf_path, r->conf_path);
        check_str(i, c.prefix, r->prefix);
        check_str(i, c.error_log, r->error_log);
        check_str(i, c.directives, r->directives);
        check_str(i, c.check, r->check);
        cr_expect_eq(c.signal, r->signal, "row %zu", i);
        cr_expect(c.dump == r->dump && c.quiet == r->quiet && c.show_details == r->details &&
                      c.show_help == r->help,
                  "row %zu", i);
        command_free(&c);
    }
}

Test(command, reads_the_options_of_explain)
{
    static const char *const words[] = {
        "explain", "--server", "api.example.com", "a.crt", "--time", "2027", "-", NULL};
    struct command c;
    parse(&c, words);
    cr_expect_eq(c.action, COMMAND_EXPLAIN);
    cr_expect(str_eq_z(c.explain.server, "api.example.com"));
    cr_expect(str_eq_z(c.explain.location, "/"));
    cr_expect(str_eq_z(c.explain.time, "2027"));
    cr_assert_eq(c.explain.file_count, 2);
    cr_expect_str_eq(c.explain.files[0], "a.crt");
    cr_expect_str_eq(c.explain.files[1], "-");
    command_free(&c);
}

static const struct wrong {
    const char *words[WORDS_MAX], *said;
} wrongs[] = {
    {{"-x"}, "portcullis: invalid option: \"x\"\n"},
    {{"-tx"}, "portcullis: invalid option: \"x\"\n"},
    {{"file"}, "portcullis: invalid option: \"file\"\n"},
    {{"-c"}, "portcullis: option \"-c\" requires file name\n"},
    {{"-p"}, "portcullis: option \"-p\" requires directory name\n"},
    {{"-e"}, "portcullis: option \"-e\" requires file name\n"},
    {{"-s"}, "portcullis: option \"-s\" requires parameter\n"},
    {{"-g"}, "portcullis: option \"-g\" requires parameter\n"},
    {{"-s", "dance"},
     "portcullis: invalid option: \"-s dance\"; it takes stop, quit, reopen or reload\n"},
    {{"--chek"}, "portcullis: invalid option: \"--chek\"\n"},
    {{"-t", "--clients"}, "portcullis: option \"--clients\" requires directory name\n"},
    {{"explain", "-t"}, "portcullis: invalid option: \"-t\"\n"},
    {{"explain", "--srever", "x"}, "portcullis: invalid option: \"--srever\"\n"},
    {{"explain", "--server"}, "portcullis: option \"--server\" requires a value\n"},
};

Test(command, says_what_is_wrong_in_nginx_words, .init = cr_redirect_stderr)
{
    char all[2048] = "";

    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        struct command c;
        parse(&c, wrongs[i].words);
        cr_expect_eq(c.action, COMMAND_WRONG, "row %zu", i);
        command_free(&c);
        strcat(all, wrongs[i].said);
    }
    fflush(stderr);
    cr_assert_stderr_eq_str(all);
}
