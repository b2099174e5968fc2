/* The program: everything is in the house, so that tests can call it too. */
#include "cli/command.h"

int main(int argc, char **argv)
{
    return ns_main(argc, argv);
}
