/* What the parent has to do with connections. The sound one: nothing at all. */

enum { PARENT_LISTENS = MOST_CHILDREN, PARENTS_BELL }; /* epoll's data, beyond the slots of the pool */

#if defined MUTANT_PARENT_SERVES_ALWAYS || defined MUTANT_PARENT_SERVES_WHEN_FULL || \
    defined MUTANT_PARENT_DROPS_WHEN_FULL || defined MUTANT_PARENT_ANSWERS_WHEN_FULL || defined MUTANT_DISPATCHER || defined MUTANT_DISPATCHER_LISTENER_HELD

static volatile int parents_client = -1; /* one at a time, in a thread: the regulation goes on */
static int handed;                       /* connections that no child has said C of */

static bool parent_is_to_listen(int idle, int live)
{
    bool full = idle == 0 && live >= settings.max_children;
    (void)full;
#if defined MUTANT_PARENT_SERVES_ALWAYS
    return parents_client < 0;
#elif defined MUTANT_PARENT_SERVES_WHEN_FULL
    return parents_client < 0 && full;
#elif defined MUTANT_PARENT_DROPS_WHEN_FULL || defined MUTANT_PARENT_ANSWERS_WHEN_FULL
    return full;
#else
    return idle > handed;
#endif
}

/* Called with each round of regulation. Returns the milliseconds until the parent has to look again. */
static int listen_or_not(int idle, int live)
{
    static bool listens;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = PARENT_LISTENS};
    if (listens != parent_is_to_listen(idle, live)) {
        listens = !listens;
        epoll_ctl(epoll, listens ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listener, &event);
    }
    return parents_client >= 0 ? 20 : -1;
}

static void *serve_parents_client(void *unused)
{
    serve(parents_client);
    parents_client = -1;
    return unused;
}

static void parent_takes_one(void)
{
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
#if defined MUTANT_PARENT_DROPS_WHEN_FULL
    close(client);
#elif defined MUTANT_PARENT_ANSWERS_WHEN_FULL
    reply(client, "503 Service Unavailable");
    close_politely(client);
#elif defined HANDED_OVER
    send_descriptor(client);
    handed++;
#else
    pthread_t thread;
    parents_client = client;
    pthread_create(&thread, NULL, serve_parents_client, NULL);
    pthread_detach(thread);
#endif
}

static void connection_taken(void)
{
    handed--;
}

/* Newborn child. What the parent holds of the network is not the child's; the thread that serves it may just close
 * it, so its number alone does not tell. */
static void drop_parents_client(void)
{
    struct sockaddr_in peer;
    for (int fd = 3; fd < 256; fd++) {
        socklen_t size = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sin_family == AF_INET)
            close(fd);
    }
}

#else

static int listen_or_not(int idle, int live)
{
    (void)idle, (void)live;
    return -1;
}

static void parent_takes_one(void)
{
}

static void connection_taken(void)
{
}

static void drop_parents_client(void)
{
}

#endif
