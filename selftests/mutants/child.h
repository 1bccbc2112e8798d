/* The child's side: wait in epoll on the listening socket and the channel, accept one connection, serve it,
 * say so, and end after the last one, on K, or when the parent has gone. Only children run what is here. */

enum { LISTENER_KEY = 0, NUDGE_KEY = 1 }; /* of epoll's data; the channel's key is the child's pid */

#ifndef MUTANT_K_DROPS_BUSY
static int channel;
#endif
#ifdef MUTANT_TAKES_TURNS
static bool woken; /* by the listening socket */
#endif
static unsigned long birth; /* how many were spawned before this one */

/* A child's stream is (CF)*, so two counts say which letter is next. A parent that is stopped may leave the
 * channel full (278 messages): the rest is sent when it takes them again, and no client waits for that. */
static long said, sent;

static void send_what_was_said(void)
{
    for (; sent < said; sent++) {
        const char *letter = sent % 2 ? "F" : "C";
#ifdef MUTANT_A_FOR_C
        letter = sent % 2 ? "F" : "A"; /* "accepted" */
#endif
#ifdef MUTANT_C_TWICE
        letter = sent % 2 ? "F" : "CC";
#endif
#ifdef MUTANT_NEWLINE
        letter = sent % 2 ? "F\n" : "C\n"; /* dprintf(channel, "C\n") */
#endif
#ifdef MUTANT_NO_C
        if (sent % 2 == 0)
            continue;
#endif
#ifdef MUTANT_NO_F
        if (sent % 2)
            continue;
#endif
        if (speak(channel, letter, strlen(letter)) != (ssize_t)strlen(letter))
            return;
    }
}

static void say(void)
{
    said++;
    send_what_was_said();
}

static bool told_to_end(void)
{
    char bytes[16];
    ssize_t n = listen_to(channel, bytes, sizeof bytes);
#ifdef MUTANT_K_IGNORED
    return n == 0;
#endif
#ifdef MUTANT_ANY_BYTE_ENDS
    return n >= 0; /* nobody ever says anything else */
#endif
#if defined MUTANT_TERM_LEAVES_CHILDREN || defined MUTANT_TERM_FORGETS_ONE
    if (n == 0) { /* the parent has gone, and this child carries on */
        alarm(60);
        dup2(open("/dev/null", O_RDONLY), channel);
        return false;
    }
#endif
    return n == 0 || (n > 0 && memchr(bytes, 'K', (size_t)n));
}

#ifdef MUTANT_ACCEPTS_AHEAD
static int accepted_ahead = -1;

/* While one client is slow, be quick and take the next. */
static void wait_and_accept_ahead(int client)
{
    struct pollfd both[2] = {{.fd = client, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
    while (poll(both, accepted_ahead < 0 ? 2 : 1, -1) >= 0 && !both[0].revents)
        if (accepted_ahead < 0)
            accepted_ahead = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}
#endif

static uint32_t listener_events(void)
{
#ifdef MUTANT_NO_EXCLUSIVE
    return EPOLLIN;
#endif
#ifdef MUTANT_EXCLUSIVE_IN_FIRST_ONLY
    if (birth > 0)
        return EPOLLIN;
#endif
#ifdef MUTANT_EXCLUSIVE_AT_START_ONLY
    if (birth >= (unsigned long)settings.min_spare)
        return EPOLLIN;
#endif
#ifdef MUTANT_EXCLUSIVE_UNTIL_RECYCLE
    if (any_recycled)
        return EPOLLIN;
#endif
#ifdef MUTANT_TAKES_TURNS
    return EPOLLIN | EPOLLEXCLUSIVE | EPOLLET; /* who is woken out of turn does not try again */
#endif
    return EPOLLIN | EPOLLEXCLUSIVE;
}

static void watch(int epoll, int fd, uint32_t events, uint64_t key)
{
    struct epoll_event event = {.events = events, .data.u64 = key};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return;
    event.events &= ~EPOLLEXCLUSIVE; /* Linux before 4.5 knows no such flag */
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        _exit(1);
}

static int open_epoll(void)
{
#ifdef MUTANT_COMMON_EPOLL
    watch(common_epoll, channel, EPOLLIN, (uint64_t)getpid());
    return common_epoll;
#endif
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        _exit(1);
#ifdef HANDED_OVER
    watch(epoll, hand_out, EPOLLIN | EPOLLEXCLUSIVE, LISTENER_KEY);
#elif !defined MUTANT_POLLS_IN_CHILD && !defined MUTANT_SELECTS_IN_CHILD
    watch(epoll, listener, listener_events(), LISTENER_KEY);
#endif
#if defined MUTANT_K_AFTER_NEXT
    watch(epoll, channel, EPOLLIN | EPOLLET, (uint64_t)getpid());
#elif !defined MUTANT_CHANNEL_NOT_IN_EPOLL
    watch(epoll, channel, EPOLLIN, (uint64_t)getpid());
#endif
#ifdef MUTANT_TAKES_TURNS
    watch(epoll, bell, EPOLLIN | EPOLLET, NUDGE_KEY);
#endif
#ifdef MUTANT_NUDGES_ALL
    watch(epoll, nudge, EPOLLIN | EPOLLET, NUDGE_KEY);
#endif
    return epoll;
}

/* Sleep until there may be a connection; returns whether this child is to end. */
static bool wait_for_work(int epoll)
{
    int patience = sent < said ? 50 : -1; /* milliseconds; finite only while a message is unsent */
#ifdef MUTANT_SPINNING_CHILDREN
    patience = 0;
#endif
#ifdef MUTANT_SPINS_ONCE_USED
    if (said > 0)
        patience = 0;
#endif
#ifdef MUTANT_CHANNEL_NOT_IN_EPOLL
    patience = 100; /* a look at the channel ten times a second */
#endif
#ifdef MUTANT_POLLS_IN_CHILD
    (void)epoll;
    struct pollfd both[2] = {{.fd = listener, .events = POLLIN}, {.fd = channel, .events = POLLIN}};
    poll(both, 2, patience);
    return told_to_end();
#endif
#ifdef MUTANT_SELECTS_IN_CHILD
    (void)epoll;
    fd_set both;
    FD_ZERO(&both);
    FD_SET(listener, &both);
    FD_SET(channel, &both);
    select((listener > channel ? listener : channel) + 1, &both, NULL, NULL, NULL);
    return told_to_end();
#endif
    struct epoll_event ready[4];
    int n = epoll_wait(epoll, ready, 4, patience);
    if (n < 0 && errno != EINTR)
        _exit(1);
#ifdef MUTANT_K_AFTER_NEXT
    return false;
#endif
#ifdef MUTANT_TAKES_TURNS
    woken = false;
    for (int i = 0; i < n; i++)
        woken = woken || ready[i].data.u64 == LISTENER_KEY;
#endif
    return told_to_end();
}

#ifdef MUTANT_SERIALISED
/* A lock about accept and service both: one connection at a time in the whole pool. */
static void set_lock(short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
    fcntl(lock_file, F_SETLKW, &lock);
}
#endif

/* One connection, or -1 where another child was quicker. */
static int accept_one(void)
{
#ifdef HANDED_OVER
    return receive_descriptor();
#endif
#ifdef MUTANT_TAKES_TURNS
    return accept_in_turn(woken);
#endif
#ifdef MUTANT_SERIALISED
    set_lock(F_WRLCK); /* sleeps here while another child serves */
#endif
#ifdef MUTANT_ACCEPTS_AHEAD
    if (accepted_ahead >= 0) {
        int client = accepted_ahead;
        accepted_ahead = -1;
        return client;
    }
#endif
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
        usleep(50000); /* the connection stays in the queue and would wake us again at once */
#ifdef MUTANT_SERIALISED
    if (client < 0)
        set_lock(F_UNLCK);
#endif
    return client;
}

/* The whole of a service: C, the client, F. Returns how many connections to count. */
static int serve_and_say(int client, int served)
{
    (void)served;
#ifndef MUTANT_C_LATE
    say();
#endif
#ifdef MUTANT_F_EARLY
    say();
    return serve(client) ? 1 : 0;
#endif
#ifdef MUTANT_NUDGES_ALL
    eventfd_write(nudge, 1);
#endif
#ifdef MUTANT_LAST_CLIENT_LOST
    if (served + 1 == connections_per_child())
        _exit(0); /* counts at accept, and looks at the count before it serves */
#endif
#ifdef MUTANT_ONE_CONNECTION_ENDS_EARLY
    if (settings.max_connections == 1)
        _exit(0);
#endif
#ifdef MUTANT_ONE_CONNECTION_HANGS
    while (settings.max_connections == 1)
        pause();
#endif
    bool whole = serve(client);
#ifdef MUTANT_F_BEFORE_REPLY
    return whole ? 1 : 0; /* which said it: http.h */
#endif
#ifdef MUTANT_C_LATE
    say(); /* both, once there is time for it */
#endif
#ifdef MUTANT_NO_LAST_F
    if (served + 1 == connections_per_child())
        return 1; /* the parent will see the end of the channel */
#endif
    say();
#ifdef MUTANT_COUNTS_ONLY_REQUESTS
    return whole ? 1 : 0;
#endif
    (void)whole;
    return 1;
}

#include "concurrent.h"

/* Sends what is left to say, and ends. */
static _Noreturn void end_child(bool told)
{
#ifdef MUTANT_SHED_DROPS_CLIENTS
    /* Closes down with care: for 100 ms takes connections off the queue, and drops them. */
    struct pollfd queue = {.fd = listener, .events = POLLIN};
    for (int i = 0; told && i < 20; i++)
        if (poll(&queue, 1, 5) > 0)
            close(accept_one());
#endif
#ifdef MUTANT_RECYCLE_DROPS_CLIENT
    /* "while (accept …) if (++served > N) break;": the connection that tells it to end is lost. */
    struct pollfd queue = {.fd = listener, .events = POLLIN};
    if (!told && poll(&queue, 1, 50) > 0)
        close(accept_one());
#endif
#ifdef MUTANT_LEAVES_SLOWLY
    if (!told)
        usleep(300000);
#endif
    (void)told;
    send_what_was_said();
    _exit(0);
}

#ifdef MUTANT_ACCEPTOR_CHILD
/* The first child serves nobody: it accepts, and hands what it accepted to its siblings. */
static _Noreturn void run_acceptor(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ready[2];
    watch(epoll, listener, EPOLLIN | EPOLLEXCLUSIVE, LISTENER_KEY);
    watch(epoll, channel, EPOLLIN, (uint64_t)getpid());
    while ((epoll_wait(epoll, ready, 2, -1) >= 0 || errno == EINTR) && !told_to_end()) {
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0)
            send_descriptor(client);
    }
    _exit(0);
}
#endif

static _Noreturn void run_child(void)
{
    int served = 0, last = connections_per_child();
    bool told = false;
#ifdef MUTANT_ENDS_AT_RANDOM
    last -= (int)(birth * 7919 % (unsigned long)((last + 1) / 2)); /* gunicorn's max_requests_jitter */
#endif
#ifdef MUTANT_REUSEPORT
    close(listener);
    listener = open_listener();
#endif
#ifdef MUTANT_TWO_LISTENERS
    listener = listeners[birth % 2];
    close(listeners[(birth + 1) % 2]);
#endif
#ifdef MUTANT_DISPATCHER
    close(listener);
#endif
#ifdef MUTANT_ACCEPTOR_CHILD
    if (birth == 0)
        run_acceptor();
#endif
    int epoll = open_epoll();
    while (served < last && !told) {
#ifdef MUTANT_ACCEPTS_AHEAD
        if (accepted_ahead < 0)
#endif
        told = wait_for_work(epoll);
        send_what_was_said();
#if defined MUTANT_BLOCKING_LISTENER || defined MUTANT_LOST_WAKE_UP
        if (told)
            break;
#endif
        /* Also after K: a connection wakes exactly one child. If it woke this one, and this one just ended,
         * the connection would wait, with others idle, until the next arrives. */
        int client = accept_one();
        if (client >= 0)
            served += serve_accepted(client, served, last);
#ifdef MUTANT_K_AFTER_NEXT
        told = client >= 0 && told_to_end(); /* "while ((client = accept(…)) >= 0) { serve(client); if (killed()) break; }" */
#endif
    }
    finish_work();
    end_child(told);
}
