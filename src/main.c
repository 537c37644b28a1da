#include "portcullis/daemon/command.h"

int main(int argc, char **argv)
{
    struct command c;

    command_parse(&c, argc, argv);
    int status = command_execute(&c, argv);
    command_free(&c);
    return status;
}
