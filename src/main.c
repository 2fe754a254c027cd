/* main - hand over to the command that was named. */
#include "cli/command.h"

int main(int argc, char **argv)
{
    return command_main(argc, argv);
}
