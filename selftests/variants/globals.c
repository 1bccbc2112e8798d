/* In the manner of an older day: globals, two parallel tables, one by slot and one by descriptor, short names.
 * The order of its arguments is its own: min max requests port [limit]. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NKID 300
#define NFD  1024

int   port, lo, hi, maxreq, maxkid = 150;
int   ls, ep;                       /* listening socket, the parent's epoll */
pid_t kidpid[NKID];                 /* 0: no such kid */
char  kidstate[NKID];               /* i dle, b usy, d ying */
int   kidfd[NKID], kidreq[NKID];
int   fdkid[NFD];                   /* which kid speaks on a descriptor, -1: none */
volatile sig_atomic_t quit, died;

void onterm(int s) { (void)s; quit = 1; }
void onchld(int s) { (void)s; died = 1; }

int nstate(char s)
{
    int i, n = 0;
    for (i = 0; i < NKID; i++)
        n += kidpid[i] && (s == '*' || kidstate[i] == s);
    return n;
}

/* ---- kid ---- */

int owing;          /* words not yet said: the channel was full */
char lastword = 'F';

void pay(int fd)
{
    while (owing) {
        char w = owing % 2 ? lastword : lastword == 'F' ? 'C' : 'F';
        if (send(fd, &w, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
            return;
        owing--;
    }
}

void speak(int fd, char w)
{
    lastword = w;
    owing++;
    pay(fd);
}

void handle(int c, int fd)
{
    char b[3000], *p = b, *bad = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    char *ok = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<p>Hello!</p>\r\n";
    struct timeval tv = {0, 100000};
    struct pollfd pf = {.fd = c, .events = POLLIN};
    ssize_t n = 0;
    int i;
    for (;;) {
        if (p - b >= 4 && (memmem(b, p - b, "\r\n\r\n", 4) || memmem(b, p - b, "\n\n", 2)))
            break;
        if (p == b + sizeof b)
            break;
        while (owing && poll(&pf, 1, 100) <= 0)
            pay(fd);                /* a silent one must not keep us from it */
        n = recv(c, p, b + sizeof b - p, 0);
        if (n <= 0)
            break;
        p += n;
    }
    if (n > 0) {
        if (p == b + sizeof b || strncmp(b, "GET ", 4) != 0)
            ok = bad;
        send(c, ok, strlen(ok), MSG_NOSIGNAL);
    }
    shutdown(c, SHUT_WR);           /* and eat the rest, lest close() reset */
    setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    for (i = 0; i < 300 && recv(c, b, sizeof b, 0) > 0; i++)
        ;
    close(c);
}

void kid(int fd)
{
    struct epoll_event e, got[8];
    int my = epoll_create(2), req, c, bye = 0, wait;
    char w;
    e.events = EPOLLIN;
    e.data.fd = fd;
    epoll_ctl(my, EPOLL_CTL_ADD, fd, &e);
    e.events = EPOLLIN | EPOLLEXCLUSIVE;
    e.data.fd = ls;
    if (epoll_ctl(my, EPOLL_CTL_ADD, ls, &e) < 0) {
        e.events = EPOLLIN;
        epoll_ctl(my, EPOLL_CTL_ADD, ls, &e);
    }
    for (req = 0; req < maxreq && !bye;) {
        wait = owing ? 100 : -1;
        epoll_wait(my, got, 8, wait);
        pay(fd);
        c = recv(fd, &w, 1, MSG_DONTWAIT);
        bye = c == 0 || (c == 1 && w == 'K');
        c = accept(ls, NULL, NULL); /* bye or not: the connection may have woken nobody but us */
        if (c >= 0) {
            speak(fd, 'C');
            handle(c, fd);
            speak(fd, 'F');
            req++;
        } else if (errno != EAGAIN)
            usleep(100000);
    }
    _exit(0);
}

/* ---- parent ---- */

int newkid(void)
{
    int i, j, sv[2];
    sigset_t none;
    struct epoll_event e;
    for (i = 0; i < NKID && kidpid[i]; i++)
        ;
    if (i == NKID || socketpair(AF_UNIX, SOCK_STREAM, 0, sv) < 0)
        return 0;
    if (sv[0] >= NFD || (kidpid[i] = fork()) < 0) {
        kidpid[i] = 0;
        close(sv[0]);
        close(sv[1]);
        return 0;
    }
    if (kidpid[i] == 0) {
        for (j = 0; j < NFD; j++)
            if (fdkid[j] >= 0)
                close(j);
        close(sv[0]);
        close(ep);
        signal(SIGTERM, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        signal(SIGCHLD, SIG_DFL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        kid(sv[1]);
    }
    close(sv[1]);
    kidfd[i] = sv[0];
    kidstate[i] = 'i';
    kidreq[i] = 0;
    fdkid[sv[0]] = i;
    e.events = EPOLLIN;
    e.data.fd = sv[0];
    epoll_ctl(ep, EPOLL_CTL_ADD, sv[0], &e);
    return 1;
}

void hangup(int i)
{
    if (kidfd[i] >= 0) {
        fdkid[kidfd[i]] = -1;
        epoll_ctl(ep, EPOLL_CTL_DEL, kidfd[i], NULL);   /* a newborn may hold it open */
        close(kidfd[i]);
        kidfd[i] = -1;
    }
    kidstate[i] = 'd';
}

void hear(int fd)
{
    char w[100];
    int n, j, i = fdkid[fd];
    if (i < 0)
        return;
    n = recv(fd, w, sizeof w, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        hangup(i);
    for (j = 0; j < n; j++) {
        if (w[j] == 'F' && ++kidreq[i] == maxreq)
            kidstate[i] = 'd';
        if (kidstate[i] != 'd')
            kidstate[i] = w[j] == 'C' ? 'b' : w[j] == 'F' ? 'i' : kidstate[i];
    }
}

void bury(void)
{
    int i;
    pid_t p;
    died = 0;
    while ((p = waitpid(-1, NULL, WNOHANG)) > 0)
        for (i = 0; i < NKID; i++)
            if (kidpid[i] == p) {
                hangup(i);
                kidpid[i] = 0;
            }
}

/* Half of what is missing, at least one, every 20 ms; one too many goes every 20 ms. Says when to be called again. */
int keep(void)
{
    static struct timespec last;
    struct timespec t;
    int i, n, idle = nstate('i'), all = nstate('*');
    int want = idle < lo && all < maxkid, many = idle > hi;
    if (!want && !many)
        return -1;
    clock_gettime(CLOCK_MONOTONIC, &t);
    n = 20 - (int)((t.tv_sec - last.tv_sec) * 1000 + (t.tv_nsec - last.tv_nsec) / 1000000);
    if (n > 0)
        return n;
    last = t;
    if (want)
        for (n = (lo - idle + 1) / 2; n > 0 && all < maxkid && newkid(); n--)
            all++;
    if (many)
        for (i = NKID - 1; i >= 0; i--)
            if (kidpid[i] && kidstate[i] == 'i') {
                send(kidfd[i], "K", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
                kidstate[i] = 'd';
                break;
            }
    return 20;
}

void die(char *s)
{
    fprintf(stderr, "globals: %s\nusage: globals min max requests port [limit]\n", s);
    exit(1);
}

int main(int argc, char **argv)
{
    struct sockaddr_in a;
    struct epoll_event e[20];
    struct sigaction sa;
    sigset_t some, none;
    int i, n, on = 1;
    if (argc < 5)
        die("too few arguments");
    lo = atoi(argv[1]);
    hi = atoi(argv[2]);
    maxreq = atoi(argv[3]);
    port = atoi(argv[4]);
    if (argc > 5)
        maxkid = atoi(argv[5]);
    if (lo < 1 || hi < lo || maxreq < 1 || port < 1 || port > 65535 || maxkid < 1 || maxkid > NKID)
        die("an argument is out of range");

    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = INADDR_ANY;
    ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(ls, (struct sockaddr *)&a, sizeof a) < 0 || listen(ls, 200) < 0)
        die(strerror(errno));

    for (i = 0; i < NFD; i++)
        fdkid[i] = -1;
    sigemptyset(&none);
    sigemptyset(&some);
    sigaddset(&some, SIGTERM);
    sigaddset(&some, SIGINT);
    sigaddset(&some, SIGCHLD);
    sigprocmask(SIG_BLOCK, &some, NULL);
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = onterm;
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    sa.sa_handler = onchld;
    sigaction(SIGCHLD, &sa, NULL);
    ep = epoll_create(1);
    for (i = 0; i < lo && i < maxkid; i++)
        newkid();
    while (!quit) {
        n = epoll_pwait(ep, e, 20, keep(), &none);
        for (i = 0; i < n; i++)
            hear(e[i].data.fd);
        if (died)
            bury();
    }
    for (i = 0; i < NKID; i++)
        if (kidpid[i])
            kill(kidpid[i], SIGTERM);
    while (wait(NULL) > 0)
        ;
    return 0;
}
