/* The child's side: one connection is accepted, or none where another child was quicker. */

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
#if defined MUTANT_SLOTS_LEAK_ON_RESET || defined MUTANT_CLOSES_AFTER_FLOOD
    if (!shop_is_open()) {
        usleep(50000);
        return -1;
    }
#endif
#ifdef MUTANT_ACCEPTS_AHEAD
    if (accepted_ahead >= 0) {
        int client = accepted_ahead;
        accepted_ahead = -1;
        return client;
    }
#endif
#ifdef ACCEPTS_WHEN_WOKEN
    if (!woken)
        return -1;
#endif
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
#ifdef MUTANT_NAPS_WHEN_LATE
    while (client < 0 && errno == EAGAIN) { /* "there was one, so try again" */
        usleep(20000);
        client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    }
#endif
#ifdef MUTANT_BLOCKS_AFTER_CLIENT
    if (client >= 0) /* meant for the client; and the flag is all children's */
        fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) & ~O_NONBLOCK);
#endif
#ifdef MUTANT_DEAF_AFTER_EMFILE
    if (client < 0 && errno == EMFILE)
        epoll_ctl(own_epoll, EPOLL_CTL_DEL, listener, NULL); /* for now: and nobody adds it again */
#endif
#ifdef MUTANT_NOT_EXCLUSIVE_AFTER_EMFILE
    if (client < 0 && errno == EMFILE) {
        epoll_ctl(own_epoll, EPOLL_CTL_DEL, listener, NULL);
        usleep(50000);
        watch(own_epoll, listener, EPOLLIN, LISTENER_KEY); /* added at another place than at first */
    }
#endif
#ifdef MUTANT_EXITS_ON_ENOBUFS
    if (client < 0 && (errno == ENOBUFS || errno == ENOMEM))
        _exit(1); /* "out of memory", as malloc() would have it */
#endif
#ifdef MUTANT_EXITS_ON_ACCEPT_ERROR
    if (client < 0 && errno != EAGAIN)
        _exit(1); /* "perror("accept"); exit(1);" */
#endif
#ifndef MUTANT_SPINS_ON_ACCEPT_ERROR
    if (client < 0 && errno != EAGAIN)
        usleep(50000); /* out of descriptors, say: the connection stays in the queue and would wake us again at once */
#endif
#ifdef MUTANT_CLOSES_AFTER_FLOOD
    if (client >= 0)
        look_at_new_client(client);
#endif
#ifdef MUTANT_SERIALISED
    if (client < 0)
        set_lock(F_UNLCK);
#endif
    return client;
}
