/* The child of prompt.c. */

#ifdef VARIANT_ACCEPT_LOCK
static int lock_file;

/* POSIX record locks are the kernel's: one whose holder was killed is let go. */
static void lock(short type)
{
    struct flock record = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
    while (fcntl(lock_file, F_SETLKW, &record) < 0 && errno == EINTR) {
    }
}
#endif

static volatile sig_atomic_t leaving;
static pid_t parent; /* of the children, as each is to know */

static void leave(int number)
{
    leaving = number;
}

static void put_listener(int own)
{
    unsigned flags = EPOLLIN | EPOLLEXCLUSIVE;
#ifdef VARIANT_EDGE
    flags |= EPOLLET;
#endif
    struct epoll_event event = {.events = flags, .data.fd = listener};
    if (epoll_ctl(own, EPOLL_CTL_ADD, listener, &event) < 0 && errno == EINVAL) {
        event.events &= ~EPOLLEXCLUSIVE; /* before Linux 4.5 */
        epoll_ctl(own, EPOLL_CTL_ADD, listener, &event);
    }
}

static bool refused; /* the last accept, for want of descriptors, say: no edge will tell when there are some again */

static int try_accept(void)
{
#ifdef VARIANT_ACCEPT_LOCK
    lock(F_WRLCK);
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    lock(F_UNLCK);
#else
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
#endif
    refused = client < 0 && errno != EAGAIN;
    if (refused)
        usleep(50000);
    return client;
}

/* K came, or the parent has gone. */
static bool dismissed(int channel)
{
    char word[8];
    ssize_t n = recv(channel, word, sizeof word, MSG_DONTWAIT);
    return n == 0 || (n > 0 && memchr(word, 'K', (size_t)n));
}

static _Noreturn void live_as_child(int channel, const sigset_t *usual)
{
#ifdef VARIANT_SLOW_START
    usleep(300000);
#endif
    int own = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event from_parent = {.events = EPOLLIN, .data.fd = channel};
    epoll_ctl(own, EPOLL_CTL_ADD, channel, &from_parent);
    put_listener(own);
    sigset_t waiting = *usual, working = *usual;
#ifdef VARIANT_PDEATHSIG
    struct sigaction orphaned = {.sa_handler = leave};
    sigaction(SIGHUP, &orphaned, NULL);
    sigaddset(&working, SIGHUP); /* a busy one finishes its client first */
    prctl(PR_SET_PDEATHSIG, SIGHUP);
    leaving = getppid() != parent; /* it was gone before that */
#endif
#ifdef VARIANT_DRAINS
    struct sigaction gently = {.sa_handler = leave};
    sigaction(SIGTERM, &gently, NULL);
    sigaddset(&working, SIGTERM); /* let in only while it waits: a client is always finished */
#else
    (void)leave;
#endif
    sigprocmask(SIG_SETMASK, &working, NULL);

    for (int served = 0; served < set.connections;) {
        int client = -1;
        bool last = false;
#ifdef VARIANT_EDGE
        client = try_accept(); /* an edge tells of the first connection only: look before each wait */
#endif
        if (client < 0) {
            struct epoll_event events[2];
            epoll_pwait(own, events, 2, sent < said || refused ? 100 : PATIENCE, &waiting);
            send_the_rest(channel);
            last = dismissed(channel) || leaving;
            client = try_accept(); /* also when dismissed: the wake-up may have been for this child alone */
        }
        if (client >= 0) {
#ifdef VARIANT_ROUND_ROBIN
            epoll_ctl(own, EPOLL_CTL_DEL, listener, NULL);
#endif
            say(channel);
            serve(client, channel);
#ifdef VARIANT_OPENS_LATE
            open_for_good();
#endif
            say(channel);
            served++;
#ifdef VARIANT_ROUND_ROBIN
            put_listener(own); /* at the end of the queue; ADD looks whether a connection waits */
#endif
        }
        if (last)
            _exit(0);
    }

#ifdef VARIANT_PARENT_RECYCLES
    epoll_ctl(own, EPOLL_CTL_DEL, listener, NULL);
    close(listener); /* no more connections: what is left is to wait for K */
    for (struct epoll_event event; !leaving && !dismissed(channel);) {
        epoll_pwait(own, &event, 1, sent < said ? 100 : -1, &waiting);
        send_the_rest(channel);
    }
#endif
    _exit(0);
}
