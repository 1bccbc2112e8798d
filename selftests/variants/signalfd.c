/* A parent without a single signal handler: ended children and SIGTERM come through a signalfd, the rounds of growth
 * through a timerfd, all in the one epoll that has the channels too. Growth is 1, 2, 4 … per round of 50 ms; one child
 * is shed in a round.
 *
 * VARIANT_MASKS_ALL: every signal is blocked, and read from the signalfd; most mean nothing.
 * VARIANT_CHILDREN_BLOCK_TERM: children are deaf to it, for good, so that only the parent ends them. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 600, SIGNALS = ROOM, TIMER };
enum doing { NOTHING, WAITING, SERVING, GOING };

static struct place {
    enum doing doing;
    pid_t pid;
    int line; /* to the child */
    unsigned served;
} places[ROOM];

static unsigned long number[6]; /* of argv: 1 port, 2 min_spare, 3 max_spare, 4 max_connections, 5 max_children */
static int door, events, timer, signals;

static void add(int epoll, int fd, uint32_t what, uint32_t place)
{
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = what, .data.u32 = place}) == 0)
        return;
    if (errno != EINVAL || !(what & EPOLLEXCLUSIVE))
        err(1, "epoll_ctl");
    add(epoll, fd, what & ~EPOLLEXCLUSIVE, place);
}

/* Returns the length of the head that is in `text`, 0 where it has not ended yet. */
static size_t head_in(const char *text, size_t length)
{
    const char *end = memmem(text, length, "\r\n\r\n", 4);
    return end ? (size_t)(end - text) + 4 : 0;
}

static unsigned long owed; /* words that the line did not take, the last of which is known: they go by turns */

static void pay(int line, const char *last)
{
    const char *other = *last == 'F' ? "C" : "F";
    for (; owed && send(line, owed % 2 ? last : other, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1; owed--)
        ;
}

static void service(int guest, int line)
{
    static const char good[] = "HTTP/1.1 200 OK\r\nServer: signalfd\r\nConnection: close\r\nContent-Length: 4\r\n\r\nyes\n";
    static const char bad[] = "HTTP/1.1 400 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    char text[6000];
    size_t length = 0;
    ssize_t n = 1;
    while (length < sizeof text && !head_in(text, length)) {
        while (owed && poll(&(struct pollfd){.fd = guest, .events = POLLIN}, 1, 100) <= 0)
            pay(line, "C");
        n = read(guest, text + length, sizeof text - length);
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    if (n > 0) {
        char line[16] = "";
        memcpy(line, text, length < 4 ? length : 4);
        const char *reply = strcmp(line, "GET ") == 0 && memmem(text, length, " HTTP/1.", 8) && head_in(text, length) ? good : bad;
        send(guest, reply, strlen(reply), MSG_NOSIGNAL);
    }
    /* What is still to be read would turn close() into a reset. */
    shutdown(guest, SHUT_WR);
    setsockopt(guest, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_usec = 150000}, sizeof(struct timeval));
    for (int i = 0; i < 200 && read(guest, text, sizeof text) > 0; i++)
        ;
    close(guest);
}

static _Noreturn void child(int line)
{
    sigset_t none;
    sigemptyset(&none);
#ifdef VARIANT_CHILDREN_BLOCK_TERM
    sigaddset(&none, SIGTERM);
#endif
    sigprocmask(SIG_SETMASK, &none, NULL);
    int mine = epoll_create1(0);
    add(mine, line, EPOLLIN, 0);
    add(mine, door, EPOLLIN | EPOLLEXCLUSIVE, 1);
    int over = 0;
    for (unsigned long left = number[4]; left > 0 && !over;) {
        struct epoll_event ready[2];
        int n = epoll_wait(mine, ready, 2, owed ? 100 : -1);
        pay(line, "F");
        for (int i = 0; i < n; i++) {
            char word;
            ssize_t got = ready[i].data.u32 == 0 ? recv(line, &word, 1, MSG_DONTWAIT) : -1;
            over = over || got == 0 || (got > 0 && word == 'K');
        }
        /* Whatever woke it, one accept: a K may have come along with a connection that woke nobody else. */
        int guest = accept(door, NULL, NULL);
        if (guest < 0) {
            if (errno != EAGAIN)
                usleep(20000);
            continue;
        }
        owed++;
        pay(line, "C");
        service(guest, line);
        owed++;
        pay(line, "F");
        left--;
    }
    _exit(0);
}

static int spawn(void)
{
    int pair[2];
    struct place *place = places;
    while (place < places + ROOM && place->doing != NOTHING)
        place++;
    if (place == places + ROOM || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return 0;
    pid_t pid = fork();
    if (pid == 0) {
        for (struct place *other = places; other < places + ROOM; other++)
            if (other->doing != NOTHING && other->line >= 0)
                close(other->line);
        close(pair[0]);
        close(timer);
        close(signals);
        close(events);
        child(pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return 0;
    }
    *place = (struct place){WAITING, pid, pair[0], 0};
    add(events, pair[0], EPOLLIN, (uint32_t)(place - places));
    return 1;
}

/* A newborn may have this end as well, and for as long as somebody stops it: out of epoll first. */
static void hang_up(struct place *place)
{
    if (place->line < 0)
        return;
    epoll_ctl(events, EPOLL_CTL_DEL, place->line, NULL);
    close(place->line);
    place->line = -1;
}

static void listen_to(struct place *place)
{
    char words[32];
    ssize_t n;
    if (place->doing == NOTHING || place->line < 0)
        return;
    while ((n = recv(place->line, words, sizeof words, MSG_DONTWAIT)) > 0)
        for (char *word = words; word < words + n; word++)
            if (*word == 'C') {
                place->doing = place->doing == WAITING ? SERVING : place->doing;
            } else if (*word == 'F') {
                place->doing = place->doing == SERVING ? WAITING : place->doing;
                place->doing = ++place->served >= number[4] ? GOING : place->doing;
            }
    if (n == 0 || errno != EAGAIN) {
        hang_up(place);
        place->doing = GOING;
    }
}

static void bury(void)
{
    for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
        for (struct place *place = places; place < places + ROOM; place++)
            if (place->doing != NOTHING && place->pid == pid) {
                hang_up(place);
                place->doing = NOTHING;
            }
}

/* One step towards the bounds. The timer runs only while another may be needed: at rest nothing ticks. */
static void step(int timed)
{
    static unsigned long rate = 1;
    static int running;
    unsigned long idle = 0, live = 0;
    struct place *spare = NULL;
    for (struct place *place = places; place < places + ROOM; place++) {
        live += place->doing != NOTHING;
        if (place->doing == WAITING) {
            idle++;
            spare = place;
        }
    }
    int needed = (idle < number[2] && live < number[5]) || idle > number[3];
    if (needed && (timed || !running)) {
        if (idle > number[3]) {
            send(spare->line, "K", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
            spare->doing = GOING;
        } else {
            for (unsigned long i = 0; i < rate && idle + i < number[3] && live + i < number[5] && spawn(); i++)
                ;
            rate = rate < 32 ? 2 * rate : rate;
        }
    }
    if (!needed)
        rate = 1;
    if (needed != running) {
        struct itimerspec round = {{0, needed * 50000000L}, {0, needed * 50000000L}};
        timerfd_settime(timer, 0, &round, NULL);
        running = needed;
    }
}

static _Noreturn void close_down(void)
{
#ifdef VARIANT_CHILDREN_BLOCK_TERM
    int how = SIGKILL;
#else
    int how = SIGTERM;
#endif
    for (struct place *place = places; place < places + ROOM; place++)
        if (place->doing != NOTHING)
            kill(place->pid, how);
    while (wait(NULL) > 0)
        ;
    exit(0);
}

int main(int count, char **word)
{
    static const char *names[] = {"", "port", "min_spare", "max_spare", "max_connections", "max_children"};
    number[5] = 128;
    if (count != 5 && count != 6)
        errx(2, "usage: %s port min_spare max_spare max_connections [max_children]", word[0]);
    for (int i = 1; i < count; i++) {
        char *end;
        number[i] = strtoul(word[i], &end, 10);
        if (*end || !*word[i] || strchr(word[i], '-') || number[i] == 0 || number[i] > (i == 1 ? 65535 : 1000000000))
            errx(2, "%s: out of range: %s", names[i], word[i]);
    }
    if (number[3] < number[2])
        errx(2, "max_spare: less than min_spare: %s", word[3]);
    if (number[5] > ROOM)
        number[5] = ROOM;

    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((in_port_t)number[1])};
    door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(door, (struct sockaddr *)&here, sizeof here) < 0 || listen(door, 1024) < 0)
        err(2, "port %lu", number[1]);

    sigset_t mine;
#ifdef VARIANT_MASKS_ALL
    sigfillset(&mine);
#else
    sigemptyset(&mine);
    sigaddset(&mine, SIGCHLD);
    sigaddset(&mine, SIGTERM);
    sigaddset(&mine, SIGINT);
#endif
    sigprocmask(SIG_BLOCK, &mine, NULL);
    events = epoll_create1(0);
    signals = signalfd(-1, &mine, SFD_NONBLOCK);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    add(events, signals, EPOLLIN, SIGNALS);
    add(events, timer, EPOLLIN, TIMER);
    for (unsigned long i = 0; i < number[2] && i < number[5]; i++)
        spawn();
    for (;;) {
        struct epoll_event ready[16];
        int timed = 0;
        int n = epoll_wait(events, ready, 16, -1);
        for (int i = 0; i < n; i++) {
            struct signalfd_siginfo info;
            uint64_t rounds;
            if (ready[i].data.u32 == TIMER)
                timed = read(timer, &rounds, sizeof rounds) > 0;
            else if (ready[i].data.u32 != SIGNALS)
                listen_to(&places[ready[i].data.u32]);
            else
                while (read(signals, &info, sizeof info) > 0) {
                    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
                        close_down();
                    if (info.ssi_signo == SIGCHLD)
                        bury();
                }
        }
        step(timed);
    }
}
