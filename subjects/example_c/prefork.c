/*
 * prefork - a pre-forked web server.                    usage: ./prefork PORT MIN MAX N
 *
 * A parent keeps between MIN and MAX idle children. All children wait on one listening socket; each serves one
 * connection at a time and ends after N of them. Parent and child talk in single bytes over a socketpair:
 *
 *     'C'  child to parent   connection accepted: I am busy
 *     'F'  child to parent   connection served: I am idle
 *     'K'  parent to child   end
 *
 * SIGTERM ends it all, SIGUSR1 prints the state of the pool, SIGINT (Ctrl-C) does both.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_CHILDREN 1000
#define MAX_STEP     32      /* children spawned in one round, at most */
#define BACKLOG      1024
#define HEAD_LIMIT   8192    /* bytes of a request's head */
#define RETRY_MS     100     /* after fork, socketpair or accept was refused */
#define EXCESS_MS    50      /* an excess must last so long to be shed: under load the idle count flickers */
#define GRACE_MS     1000    /* for busy children, at the end */

static int min_spare, max_spare, max_connections, listener;

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* ------------------------------------------------------------------------------------------------- child */

static int channel;                 /* the child's end */
static long said, sent;             /* messages: what a child says is always CFCFCF..., so counting them is enough */

/* Never blocks, as a client must not wait because the parent does: what finds no room is sent later. */
static void flush(int flags)
{
    while (sent < said) {
        char bytes[256];
        int count = 0;
        for (; count < (int)sizeof bytes && sent + count < said; count++)
            bytes[count] = "CF"[(sent + count) % 2];
        ssize_t done = send(channel, bytes, count, flags | MSG_NOSIGNAL);
        if (done <= 0)
            return;
        sent += done;
    }
}

static int watch(int epoll, int fd, unsigned events, int operation)
{
    struct epoll_event event = { .events = events, .data.fd = fd };
    int result = epoll_ctl(epoll, operation, fd, &event);
    if (result < 0 && errno == EINVAL && (events & EPOLLEXCLUSIVE))     /* before Linux 4.5: bear the herd */
        return watch(epoll, fd, events & ~EPOLLEXCLUSIVE, operation);
    return result;
}

static void serve(int client)
{
    static const char good[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 30\r\n"
                               "Connection: close\r\n\r\nServed by a pre-forked child.\n";
    static const char bad[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    char head[HEAD_LIMIT + 1] = "", *end = NULL;
    size_t length = 0;

    while (end == NULL && length < HEAD_LIMIT && strlen(head) == length) {  /* a NUL is no HTTP */
        ssize_t got = read(client, head + length, HEAD_LIMIT - length);
        if (got <= 0)
            return;                                     /* closed or reset before it had asked */
        length += got;
        head[length] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    char *line = strstr(head, "\r\n"), *version = strstr(head, " HTTP/1.");
    int is_get = end && strncmp(head, "GET ", 4) == 0 && version > head + 4 && version < line;
    if (is_get)
        send(client, good, sizeof good - 1, MSG_NOSIGNAL);
    else
        send(client, bad, sizeof bad - 1, MSG_NOSIGNAL);
    if (!is_get || end + 4 != head + length) {
        /* Closing with data unread would send a reset, which may destroy the reply: read on for a moment. */
        struct timeval moment = { .tv_usec = 100000 };
        setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
        shutdown(client, SHUT_WR);
        for (long long until = now_ms() + 200; now_ms() < until && read(client, head, HEAD_LIMIT) > 0;)
            ;
    }
}

/* Returns 0 when a connection was served or none was there, -1 when one could not be accepted now. */
static int serve_next(int *served)
{
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED ? 0 : -1;
    said++;
    flush(MSG_DONTWAIT);
    serve(client);
    close(client);
    said++;
    flush(MSG_DONTWAIT);
    (*served)++;
    return 0;
}

static void child(void)
{
    int served = 0, killed = 0, epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0 || watch(epoll, channel, EPOLLIN, EPOLL_CTL_ADD) < 0)
        _exit(1);
    if (watch(epoll, listener, EPOLLIN | EPOLLEXCLUSIVE, EPOLL_CTL_ADD) < 0)
        _exit(1);
    while (served < max_connections && !killed) {
        struct epoll_event events[2];
        int incoming = 0, wanted_room = sent < said;
        int count = epoll_wait(epoll, events, 2, -1);
        for (int i = 0; i < count; i++) {
            char messages[64];
            if (events[i].data.fd == listener) {
                incoming = 1;
                continue;
            }
            ssize_t got = recv(channel, messages, sizeof messages, MSG_DONTWAIT);
            if (got == 0 || (got < 0 && errno == ECONNRESET))
                _exit(0);                               /* the parent is gone */
            killed = got > 0 && memchr(messages, 'K', got) != NULL;
            flush(MSG_DONTWAIT);
        }
        if (incoming && !killed && serve_next(&served) < 0) {
            /* Out of descriptors, say. It stays queued, and epoll would return at once: look away for a moment. */
            epoll_ctl(epoll, EPOLL_CTL_DEL, listener, NULL);
            epoll_wait(epoll, events, 1, RETRY_MS);
            watch(epoll, listener, EPOLLIN | EPOLLEXCLUSIVE, EPOLL_CTL_ADD);
        }
        if (wanted_room != (sent < said))
            watch(epoll, channel, sent < said ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    }
    close(epoll);
    /* With EPOLLEXCLUSIVE a connection wakes one child only. Was it this one, just before its 'K', nobody else will
     * come for that connection: so look once more. (Not after the Nth: that wake-up has been used.) */
    if (killed)
        serve_next(&served);
    flush(0);
    _exit(0);
}

/* ------------------------------------------------------------------------------------------------ parent */

static struct child {
    pid_t pid;                      /* 0: this place is free */
    int channel;                    /* the parent's end; -1 once it is closed */
    int busy, leaving, served;
    long born;                      /* the number of its birth: the newest has the greatest */
} children[MAX_CHILDREN];

static int places, live, parent_epoll, failed_child;    /* places: how much of the table has ever been used */
static sigset_t handled, unblocked;
static volatile sig_atomic_t ending, reporting, child_ended;

static void on_signal(int number)
{
    ending += number == SIGTERM || number == SIGINT;
    reporting |= number == SIGUSR1 || number == SIGINT;
    child_ended |= number == SIGCHLD;
}

static int is_idle(const struct child *c)
{
    return c->pid && !c->busy && !c->leaving;
}

static int count_idle(void)
{
    int idle = 0;
    for (int i = 0; i < places; i++)
        idle += is_idle(&children[i]);
    return idle;
}

static void report(void)
{
    printf("%d children, %d idle\n", live, count_idle());
    for (struct child *c = children; c < children + places; c++)
        if (c->pid)
            printf("  child %d: %s, served %d\n", c->pid, c->busy ? "busy" : "idle", c->served);
    fflush(stdout);                 /* or every later child would have it in its own buffer, too */
    reporting = 0;
}

static int spawn(void)
{
    static long births;
    int ends[2], place = 0;
    while (children[place].pid)
        place++;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = place };
    pid_t pid = -1;
    if (epoll_ctl(parent_epoll, EPOLL_CTL_ADD, ends[0], &event) == 0)
        pid = fork();               /* signals are blocked here, and so they are in the newborn */
    if (pid == 0) {
        /* Let go of all that is the parent's, or nobody would notice when one of us dies. */
        for (int i = 0; i < places; i++)
            if (children[i].pid && children[i].channel >= 0)
                close(children[i].channel);
        close(ends[0]);
        close(parent_epoll);
        signal(SIGTERM, SIG_DFL);
        signal(SIGCHLD, SIG_DFL);
        signal(SIGUSR1, SIG_IGN);
        signal(SIGINT, SIG_IGN);    /* Ctrl-C reaches the whole group: the parent decides */
        sigprocmask(SIG_SETMASK, &unblocked, NULL);
        channel = ends[1];
        child();
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -1;
    }
    children[place] = (struct child){ .pid = pid, .channel = ends[0], .born = births++ };
    places += place == places;
    live++;
    return 0;
}

static void let_go(struct child *c)
{
    epoll_ctl(parent_epoll, EPOLL_CTL_DEL, c->channel, NULL);
    close(c->channel);
    c->channel = -1;
    c->leaving = 1;
}

static void hear(struct child *c)
{
    char messages[1024];
    ssize_t got = recv(c->channel, messages, sizeof messages, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        let_go(c);                  /* it is dead, or as good as */
    for (ssize_t i = 0; i < got; i++) {
        if (messages[i] == 'C' && !c->busy) {
            c->busy = 1;
        } else if (messages[i] == 'F' && c->busy) {
            c->busy = 0;
            c->leaving |= ++c->served >= max_connections;   /* then it ends by itself */
        }
    }
}

static void reap(void)
{
    int status;
    child_ended = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (struct child *c = children; c < children + places; c++)
            if (c->pid == pid) {
                if (c->channel >= 0)
                    let_go(c);
                c->pid = 0;
                live--;
                failed_child |= WIFEXITED(status) && WEXITSTATUS(status) != 0;
            }
}

static void shed(int count)
{
    for (; count > 0; count--) {
        struct child *newest = NULL;
        for (struct child *c = children; c < children + places; c++)
            if (is_idle(c) && (newest == NULL || c->born > newest->born))
                newest = c;
        newest->leaving = 1;
        send(newest->channel, "K", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

/* Wait for messages and signals, so many milliseconds or (-1) for ever, and follow them. Only here do signals come in. */
static void attend(int timeout)
{
    struct epoll_event events[64];
    int count = epoll_pwait(parent_epoll, events, 64, timeout, &unblocked);
    for (int i = 0; i < count; i++)
        if (children[events[i].data.u32].channel >= 0)
            hear(&children[events[i].data.u32]);
    if (child_ended)
        reap();
    if (reporting)
        report();
}

/* One round at a time. Growth doubles from round to round, and each looks at the news first. There is a timeout while
 * a round is due, a birth has been refused, or an excess may be about to last; at rest there is none. */
static void regulate(void)
{
    int step = 1, lasting = 0;
    long long retry_at = 0, excess_until = 0;

    while (!ending) {
        int idle = count_idle(), timeout = -1;
        long long now = now_ms();
        if (failed_child)           /* it could not set itself up, and the next would fare no better */
            retry_at = now + RETRY_MS;
        failed_child = 0;
        if (idle >= min_spare || live == MAX_CHILDREN) {
            step = 1;
        } else if (now < retry_at) {
            timeout = retry_at - now;
        } else {
            for (int i = 0; i < step && idle < min_spare && live < MAX_CHILDREN && now >= retry_at; i++, idle++)
                if (spawn() < 0)
                    retry_at = now + RETRY_MS;
            step = step < MAX_STEP ? 2 * step : MAX_STEP;
            timeout = 0;
        }
        int excess = idle - max_spare;
        if (excess <= 0) {
            excess_until = 0;
        } else {
            if (excess_until == 0 || excess < lasting)
                lasting = excess;
            if (excess_until == 0)
                excess_until = now + EXCESS_MS;
            timeout = excess_until > now ? excess_until - now : 0;
            if (timeout == 0) {
                shed(lasting);
                excess_until = 0;
            }
        }
        attend(timeout);
    }
}

static void end(void)
{
    long long until = now_ms() + GRACE_MS;
    close(listener);
    for (struct child *c = children; c < children + places; c++)
        if (c->pid && c->channel >= 0)
            let_go(c);              /* the idle end at once, the busy after their client */
    for (long long now; live > 0 && ending == 1 && (now = now_ms()) < until;)
        attend(until - now);
    for (struct child *c = children; c < children + places; c++)
        if (c->pid) {
            kill(c->pid, SIGKILL);
            waitpid(c->pid, NULL, 0);
        }
}

static int number(const char *name, const char *text, long least, long most)
{
    char *rest;
    long value = strtol(text, &rest, 10);
    if (*text == '\0' || *rest != '\0' || value < least || value > most) {
        fprintf(stderr, "prefork: %s must be a number from %ld to %ld, not '%s'\n", name, least, most, text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s PORT MIN MAX N\n", argv[0]);
        return 2;
    }
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY) };
    address.sin_port = htons(number("PORT", argv[1], 1, 65535));
    min_spare = number("MIN", argv[2], 1, MAX_CHILDREN);
    max_spare = number("MAX", argv[3], min_spare, MAX_CHILDREN);
    max_connections = number("N", argv[4], 1, 1000000000);

    int yes = 1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, BACKLOG) < 0) {
        fprintf(stderr, "prefork: cannot listen on port %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    parent_epoll = epoll_create1(EPOLL_CLOEXEC);

    struct sigaction action = { .sa_handler = on_signal };
    const int signals[] = { SIGTERM, SIGINT, SIGUSR1, SIGCHLD };
    sigemptyset(&handled);
    sigemptyset(&unblocked);
    for (int i = 0; i < 4; i++) {
        sigaction(signals[i], &action, NULL);
        sigaddset(&handled, signals[i]);
    }
    sigprocmask(SIG_BLOCK, &handled, NULL);
    signal(SIGPIPE, SIG_IGN);

    regulate();
    end();
    return 0;
}
