/* Takes all the memory that it can get, in four processes, and touches it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    fork();
    fork();
    for (;;) {
        char *more = malloc(1 << 24);
        if (more)
            memset(more, 1, 1 << 24);
    }
}
