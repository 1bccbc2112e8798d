/* Meddles with what belongs to no file and to no namespace: limits and priorities of its parents, keys, families of sockets. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static void tried(const char *what, long result)
{
    if (result >= 0)
        printf("COULD %s\n", what);
}

int main(void)
{
    static char description[] = "user", name[] = "preforkspec-test", payload[] = "x";
    struct rlimit none = {0, 0};
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    for (pid_t pid = 1; pid < 70000; pid++)
        if (pid != getpid() && syscall(SYS_prlimit64, pid, RLIMIT_CPU, &none, NULL) == 0)
            printf("COULD limit %d\n", pid);
    tried("add a key", syscall(SYS_add_key, description, name, payload, 1, -3));
    tried("find a key", syscall(SYS_request_key, description, name, NULL, 0));
    tried("read its session's keys", syscall(SYS_keyctl, 6, -3, NULL, 0));
    tried("become root in a user namespace", unshare(CLONE_NEWUSER));
    tried("make a socket of AF_VSOCK", socket(40, SOCK_STREAM, 0));
    tried("make a raw socket", socket(AF_INET, SOCK_RAW, 1));
    if (access("/submission", F_OK) != 0) { /* a partial sandbox */
        int pair[2];
        tried("pin its parent to a processor", sched_setaffinity(getppid(), sizeof first, &first));
        tried("be nice for its parent", setpriority(PRIO_PROCESS, (id_t)getppid(), 19));
        tried("make a pair for datagrams", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
        tried("make a UNIX socket", socket(AF_UNIX, SOCK_STREAM, 0));
        tried("make a socket for datagrams", socket(AF_INET, SOCK_DGRAM, 0));
    }
    fflush(stdout);
    return 0;
}
