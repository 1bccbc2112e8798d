/* Calls out: to addresses on the network, to whatever socket of the suite's it can find, and through any descriptor that it
 * was left. */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void call(const char *address, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int caller = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, address, &to.sin_addr);
    if (connect(caller, (struct sockaddr *)&to, sizeof to) == 0)
        printf("REACHED %s:%d\n", address, port);
    close(caller);
}

static void call_by_name(const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    int caller = socket(AF_UNIX, SOCK_STREAM, 0);
    if (length > 0 && length < sizeof to.sun_path) {
        memcpy(to.sun_path, name, length);
        if (name[0] == '@')
            to.sun_path[0] = 0; /* an abstract name */
        socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] != '@'));
        if (connect(caller, (struct sockaddr *)&to, size) == 0)
            printf("REACHED %s\n", name);
    }
    close(caller);
}

int main(void)
{
    char line[512], name[256];
    FILE *sockets = fopen("/proc/net/unix", "r");
    for (int left = 3; left < 1024; left++)
        if ((!sockets || left != fileno(sockets)) && write(left, "{}", 2) == 2)
            printf("REACHED descriptor %d\n", left);
    call("1.1.1.1", 53);
    call("8.8.8.8", 53);
    call("169.254.169.254", 80); /* where clouds tell their machines' secrets */
    while (sockets && fgets(line, sizeof line, sockets))
        if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %255s", name) == 1)
            call_by_name(name);
    fflush(stdout);
    return 0;
}
