/* The classical rule: the parent regulates once a second. Too few idle: one more, at the next tick two, then four …
 * up to 32; enough: back to one. Too many idle: one less. Whoever ended is replaced at the next tick, if need be.
 *
 * VARIANT_LINEAR  one more, or one less, every half second
 * VARIANT_SLEEP  one second of sleep in each service      VARIANT_CHATTY  a line for everything
 * VARIANT_FIXED_PORT  8080, not an argument               VARIANT_OPTIONS  -p --min --max --req --start --limit
 * VARIANT_STARTS_AT_ONE, VARIANT_STARTS_AT_MAX            in place of min_spare
 * VARIANT_OLDEST  the oldest idle child is shed, and lone connections go round
 * VARIANT_BACKS_OFF  newborns that die at once are respawned after half a second, then after one
 * VARIANT_QUICK  a tick of 50 ms
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "says.h"

#include "serve.h"

#ifdef VARIANT_LINEAR
enum { TICK = 500, FASTEST = 1 };
#elif defined VARIANT_QUICK
enum { TICK = 50, FASTEST = 32 };
#else
enum { TICK = 1000, FASTEST = 32 };
#endif
enum { SLOTS = 512 };

typedef struct {
    pid_t pid; /* 0: the slot is empty */
    int fd;
    bool idle, leaving;
    long born; /* milliseconds */
} Slot;

static Slot slots[SLOTS];
static int port = 8080, min_spare, max_spare, max_requests, max_children = 200, start_servers;
static int listening, poller;
static volatile sig_atomic_t stopping;

static void chat(const char *format, ...)
{
#ifdef VARIANT_CHATTY
    va_list arguments;
    va_start(arguments, format);
    printf("[%d] ------------------------------------------------------------------------------------ ", getpid());
    vprintf(format, arguments);
    printf("\n");
    fflush(stdout);
    va_end(arguments);
#else
    (void)format;
#endif
}

static void stop(int number)
{
    stopping = number;
}

static void wake(int number)
{
    (void)number; /* so that epoll_pwait returns */
}

/* ---- child ---- */

static void child(int fd)
{
    int own = epoll_create1(0);
    struct epoll_event listen_event = {.events = EPOLLIN | EPOLLEXCLUSIVE}, parent_event = {.events = EPOLLIN};
    if (epoll_ctl(own, EPOLL_CTL_ADD, listening, &listen_event) < 0) {
        listen_event.events = EPOLLIN; /* before Linux 4.5 */
        epoll_ctl(own, EPOLL_CTL_ADD, listening, &listen_event);
    }
    epoll_ctl(own, EPOLL_CTL_ADD, fd, &parent_event);
    bool last = false;
    for (int requests = 0; requests < max_requests && !last;) {
        struct epoll_event event[2];
        char order[8];
        epoll_wait(own, event, 2, sent < said ? 100 : -1);
        send_the_rest(fd);
        ssize_t n = recv(fd, order, sizeof order, MSG_DONTWAIT);
        last = n == 0 || (n > 0 && memchr(order, 'K', (size_t)n));
        /* Even when told to go: the wake-up may have been ours, and nobody else's. */
        int client = accept(listening, NULL, NULL);
        if (client < 0) {
            if (errno != EAGAIN)
                usleep(50000);
            continue;
        }
        say(fd);
        requests++;
        chat("request %d", requests);
        serve(client, fd);
        say(fd);
#ifdef VARIANT_OLDEST
        epoll_ctl(own, EPOLL_CTL_DEL, listening, NULL);
        epoll_ctl(own, EPOLL_CTL_ADD, listening, &listen_event);
#endif
    }
    _exit(0);
}

/* ---- parent ---- */

static long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

enum { SHORTEST_PAUSE = 500, LONGEST_PAUSE = 1000 }; /* milliseconds */

static long quiet_until;
static int pause_next = SHORTEST_PAUSE;

/* Newborns that are killed at once may go on being so: the next one has to wait. */
static void quarantine(long age, bool killed)
{
#ifdef VARIANT_BACKS_OFF
    if (killed && age < TICK) {
        quiet_until = now() + pause_next;
        pause_next = 2 * pause_next < LONGEST_PAUSE ? 2 * pause_next : LONGEST_PAUSE;
    }
#endif
    (void)age, (void)killed;
}

static void spawn_one(void)
{
    int ends[2], slot = 0;
    while (slot < SLOTS && slots[slot].pid)
        slot++;
    if (slot == SLOTS || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        for (int i = 0; i < SLOTS; i++)
            if (slots[i].pid && slots[i].fd >= 0)
                close(slots[i].fd);
        close(ends[0]);
        close(poller);
        signal(SIGTERM, SIG_DFL);
        signal(SIGCHLD, SIG_DFL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        child(ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return;
    }
    slots[slot] = (Slot){pid, ends[0], true, false, now()};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (unsigned)slot};
    epoll_ctl(poller, EPOLL_CTL_ADD, ends[0], &event);
    chat("child %d spawned", pid);
}

/* A newborn sibling may have this end as well: taken out of epoll it is heard no more, whoever else has it. */
static void hang_up(Slot *slot)
{
    if (slot->fd < 0)
        return;
    epoll_ctl(poller, EPOLL_CTL_DEL, slot->fd, NULL);
    close(slot->fd);
    slot->fd = -1;
}

static void hear(Slot *slot)
{
    char words[256];
    if (slot->fd < 0)
        return;
    ssize_t n = recv(slot->fd, words, sizeof words, MSG_DONTWAIT);
    for (ssize_t i = 0; i < n; i++)
        if (words[i] == 'C' || words[i] == 'F')
            slot->idle = words[i] == 'F' && !slot->leaving;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        hang_up(slot);
        slot->idle = false;
        slot->leaving = true;
    }
}

static void reap(void)
{
    pid_t pid;
    int status;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int i = 0; i < SLOTS; i++)
            if (slots[i].pid == pid) {
                hang_up(&slots[i]);
                quarantine(now() - slots[i].born, WIFSIGNALED(status));
                slots[i] = (Slot){.fd = -1};
                chat("child %d has ended", pid);
            }
}

static void tick(void)
{
    static int rate = 1;
    int idle = 0, live = 0, excess = -1;
    for (int i = 0; i < SLOTS; i++) {
        live += slots[i].pid != 0;
        idle += slots[i].idle;
#ifdef VARIANT_OLDEST
        if (slots[i].idle && (excess < 0 || slots[i].born < slots[excess].born))
#else
        if (slots[i].idle)
#endif
            excess = i;
    }
    if (idle < min_spare && now() < quiet_until)
        return;
    if (idle < min_spare) {
        for (int i = 0; i < rate && live < max_children; i++, live++)
            spawn_one();
        rate = rate * 2 < FASTEST ? rate * 2 : FASTEST;
        return;
    }
    rate = 1;
    pause_next = SHORTEST_PAUSE;
    if (idle > max_spare) {
        send(slots[excess].fd, "K", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        slots[excess].idle = false;
        slots[excess].leaving = true;
    }
}

static void all_end(void)
{
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].pid)
            kill(slots[i].pid, SIGTERM);
    while (waitpid(-1, NULL, 0) > 0) {
    }
    exit(0);
}

#include "tick_arguments.h"

int main(int argc, char **argv)
{
    arguments(argc, argv);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int one = 1;
    listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) < 0 || listen(listening, 256) < 0) {
        perror("tick: port");
        return 1;
    }

    sigset_t ours, none;
    sigemptyset(&none);
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ours, NULL);
    struct sigaction to_stop = {.sa_handler = stop}, to_wake = {.sa_handler = wake};
    sigaction(SIGTERM, &to_stop, NULL);
    sigaction(SIGINT, &to_stop, NULL);
    sigaction(SIGCHLD, &to_wake, NULL);

    poller = epoll_create1(0);
    for (int i = 0; i < start_servers && i < max_children; i++)
        spawn_one();
    for (long due = now() + TICK; !stopping;) {
        struct epoll_event event[32];
        long left = due - now();
        int n = epoll_pwait(poller, event, 32, left > 0 ? (int)left : 0, &none);
        for (int i = 0; i < n; i++)
            hear(&slots[event[i].data.u32]);
        reap();
        if (now() >= due) {
            tick();
            due = now() + TICK;
        }
    }
    all_end();
}
