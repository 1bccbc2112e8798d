/* Regulates at once, after each batch of messages, up or down by as many as are missing or too many.
 *
 * VARIANT_IPV6              listens on [::], for both families
 * VARIANT_EDGE              the listening socket edge-triggered: accept is tried before each wait
 * VARIANT_SHEDS_TO_MIN      more than max_spare idle: down to min_spare in one go
 * VARIANT_GROWS_TO_MAX      fewer than min_spare idle: up to max_spare in one go
 * VARIANT_BYTE_BY_BYTE      one event a wait, one byte a read, and then it regulates: what comes together is read by turns
 * VARIANT_DRAINS            SIGTERM: idle children end, busy ones have 2 s for their client
 * VARIANT_PARENT_RECYCLES   after its N connections a child waits for the K that the N-th F brings it
 * VARIANT_REPLACES_ALWAYS   whoever ended without being told is replaced at once
 * VARIANT_ACCEPT_LOCK       a lock about each accept (and nothing else)
 * VARIANT_TIMEOUTS          finite waits: children try accept, the parent counts again, ten times a second
 * VARIANT_ROUND_ROBIN       a busy child takes the listening socket out of its epoll, and puts it back at the end
 * VARIANT_LOGGER            one more process, which is no part of the pool and has no listening socket
 * VARIANT_COUNTS_NOBODY     the parent does not count connections: who has had its last one is idle until it is gone
 * VARIANT_TERM_BY_DEFAULT   the parent does not catch SIGTERM; children see the end of their channels
 * VARIANT_CLOSES_LATE       a dead child's end is put by, and closed when the next child is born
 * VARIANT_OPENS_LATE        a child opens files at its first request, and the parent at the first end of a child, for good
 * VARIANT_BIG_REPLIES       a page of 200 kB, more than a connection's send queue holds for a client that takes nothing
 * VARIANT_DEFERS            the kernel keeps connections back until their clients say something
 * VARIANT_CLOSES_SLOW       a client has 5 s for its request
 * VARIANT_PDEATHSIG         children have the kernel tell them of the parent's death, by a signal let in while they wait
 * VARIANT_LATE_CHILDREN     listens for 1.5 s before its first child
 * VARIANT_SLOW_START        a newborn takes 0.3 s before it has an epoll, asleep
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "says.h"

#include "serve.h"

#ifdef VARIANT_TIMEOUTS
enum { PATIENCE = 100 };
#else
enum { PATIENCE = -1 };
#endif

struct child {
    struct child *next;
    pid_t pid; /* 0 once reaped */
    int channel;
    int served;
    bool idle, told;
};

static struct child *children; /* newest first */
static struct {
    int port, low, high, connections, limit;
} set;
static int listener, regulator, doorbell[2];
#ifdef VARIANT_LOGGER
static int to_logger = -1;
static pid_t logger;
#endif

#ifdef VARIANT_CLOSES_LATE
enum { MOST_PUT_BY = 64 };
static int ends_put_by[MOST_PUT_BY], put_by;
#endif

#ifdef VARIANT_OPENS_LATE
static void open_for_good(void)
{
    static bool opened;
    for (int i = 0; i < 8 && !opened; i++)
        if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
            return; /* not now */
    opened = true;
}
#endif

#include "prompt_child.h"

/* ---- parent ---- */

static void ring(int number)
{
    int before = errno;
    ssize_t unheard = write(doorbell[1], number == SIGCHLD ? "c" : "t", 1);
    (void)unheard; /* a full pipe rings as well */
    errno = before;
}

static void watch(int fd, void *whose)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = whose};
    epoll_ctl(regulator, EPOLL_CTL_ADD, fd, &event);
}

/* A newborn sibling still has this end for a moment: only taken out is it heard no more, and may be freed. */
static void let_go(struct child *child)
{
    if (child->channel < 0)
        return;
    epoll_ctl(regulator, EPOLL_CTL_DEL, child->channel, NULL);
#ifdef VARIANT_CLOSES_LATE
    if (put_by < MOST_PUT_BY)
        ends_put_by[put_by++] = child->channel;
    else
#endif
        close(child->channel);
    child->channel = -1;
}

static bool spawn(void)
{
    int ends[2];
#ifdef VARIANT_CLOSES_LATE
    if (put_by)
        close(ends_put_by[--put_by]);
#endif
    struct child *child = calloc(1, sizeof *child);
    if (!child || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) {
        free(child);
        return false;
    }
    /* Between fork and the child's own handlers a signal must not ring the parent's doorbell. */
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        for (struct child *sibling = children; sibling; sibling = sibling->next)
            if (sibling->channel >= 0)
                close(sibling->channel);
#ifdef VARIANT_LOGGER
        close(to_logger);
#endif
#ifdef VARIANT_CLOSES_LATE
        while (put_by)
            close(ends_put_by[--put_by]);
#endif
        close(ends[0]);
        close(doorbell[0]);
        close(doorbell[1]);
        close(regulator);
        signal(SIGCHLD, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        live_as_child(ends[1], &before);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        free(child);
        return false;
    }
    *child = (struct child){.next = children, .pid = pid, .channel = ends[0], .idle = true};
    children = child;
    watch(ends[0], child);
#ifdef VARIANT_LOGGER
    dprintf(to_logger, "spawned %d\n", pid);
#endif
    return true;
}

static void tell(struct child *child)
{
    send(child->channel, "K", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    child->told = true;
    child->idle = false;
}

static void hear(struct child *child)
{
#ifdef VARIANT_BYTE_BY_BYTE
    char words[1];
#else
    char words[64];
#endif
    ssize_t n;
    if (child->channel < 0)
        return;
    while ((n = recv(child->channel, words, sizeof words, MSG_DONTWAIT)) > 0)
        for (ssize_t i = 0; i < n; i++) {
            child->served += words[i] == 'F';
            child->idle = words[i] == 'F' && !child->told && child->served < set.connections;
#ifdef VARIANT_COUNTS_NOBODY
            child->idle = words[i] == 'F' && !child->told; /* who has had its last connection is idle until it is gone */
#endif
#ifdef VARIANT_PARENT_RECYCLES
            if (words[i] == 'F' && !child->told && child->served == set.connections)
                tell(child);
#endif
#ifdef VARIANT_BYTE_BY_BYTE
            return;
#endif
        }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        let_go(child);
        child->idle = false;
    }
}

/* Returns how many ended without having been told to. */
static int reap(void)
{
    int unasked = 0;
    pid_t pid;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        for (struct child **link = &children, *child; (child = *link); link = &child->next)
            if (child->pid == pid) {
                hear(child);
#ifdef VARIANT_OPENS_LATE
                open_for_good();
#endif
                unasked += !child->told || child->served >= set.connections;
                let_go(child);
                *link = child->next;
                free(child);
                break;
            }
    return unasked;
}

/* Returns whether children are still missing: forks were refused. */
static bool regulate(int ended)
{
    int idle = 0, live = 0;
    for (struct child *child = children; child; child = child->next) {
        live++;
        idle += child->idle;
    }
#ifdef VARIANT_REPLACES_ALWAYS
    for (; ended > 0 && live < set.limit && spawn(); ended--)
        live++, idle++;
#endif
    (void)ended;
#ifdef VARIANT_GROWS_TO_MAX
    int wanted = idle < set.low ? set.high : 0;
#else
    int wanted = set.low;
#endif
    while (idle < wanted && live < set.limit && spawn())
        live++, idle++;
    int rest = set.high;
#ifdef VARIANT_SHEDS_TO_MIN
    rest = set.low;
#endif
    for (struct child *child = idle > set.high ? children : NULL; child && idle > rest; child = child->next)
        if (child->idle) {
            tell(child);
            idle--;
        }
    return idle < set.low && live < set.limit;
}

#include "prompt_start.h"

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    start_logger();
    open_listener();
#ifdef VARIANT_LATE_CHILDREN
    usleep(1500000);
#endif
    if (pipe2(doorbell, O_NONBLOCK) < 0)
        return 1;
    struct sigaction bell = {.sa_handler = ring, .sa_flags = SA_RESTART};
    sigaction(SIGCHLD, &bell, NULL);
#ifndef VARIANT_TERM_BY_DEFAULT
    sigaction(SIGTERM, &bell, NULL);
    sigaction(SIGINT, &bell, NULL);
#endif
    regulator = epoll_create1(0);
    watch(doorbell[0], NULL);
    for (int ended = 0;; ended = reap()) {
#ifdef VARIANT_BYTE_BY_BYTE
        struct epoll_event events[1];
#else
        struct epoll_event events[64];
#endif
        int patience = regulate(ended) ? 100 : PATIENCE;
        int n = epoll_wait(regulator, events, sizeof events / sizeof *events, patience);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                hear(events[i].data.ptr);
            else
                answer_the_bell();
        }
    }
}
