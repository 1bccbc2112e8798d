/* The listening socket: opened by the parent, before the first fork. */

#if defined MUTANT_REUSEPORT || defined MUTANT_TWO_LISTENERS || defined MUTANT_LISTENER_GROUPS
#define EACH_ITS_OWN
#endif

/* Parent. Another server has the port. */
static void refuse_port(void)
{
#ifdef MUTANT_PORT_IN_USE_LEAVES_CHILDREN
    leave_a_child_behind();
#endif
#ifndef MUTANT_PORT_IN_USE_SILENT
    fprintf(stderr, "prefork: port %d: %s\n", settings.port, strerror(errno));
#endif
#ifdef MUTANT_PORT_IN_USE_STATUS_0
    exit(0);
#endif
    exit(1);
}

static int open_listener(void)
{
    int flags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, yes = 1, backlog = 512;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)settings.port)};
#if defined MUTANT_BLOCKING_LISTENER || defined MUTANT_BLOCKS_WHEN_LATE
    flags &= ~SOCK_NONBLOCK;
#endif
#ifdef MUTANT_BACKLOG
    backlog = MUTANT_BACKLOG;
#endif
#ifdef MUTANT_BACKLOG_IS_N
    backlog = settings.max_connections;
#endif
    int fd = socket(AF_INET, flags, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
#ifdef EACH_ITS_OWN
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
#endif
#ifdef MUTANT_PORT_IN_USE_RETRIES
    while (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, backlog) < 0) {
        fprintf(stderr, "prefork: port %d: %s\n", settings.port, strerror(errno));
        sleep(1);
    }
    return fd;
#endif
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        refuse_port();
#ifdef MUTANT_REUSEPORT
    if (listener < 0)
        return fd; /* the parent's only keeps the port; each child listens on its own */
#endif
    if (listen(fd, backlog) < 0)
        refuse_port();
    return fd;
}

/* Parent, before the first fork. Asks for what only the children will need, and not all kernels have. */
static void insist_on_exclusive(void)
{
#ifdef MUTANT_PARENT_ENDS_WITHOUT_EXCLUSIVE
    int probe = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    if (epoll_ctl(probe, EPOLL_CTL_ADD, listener, &event) < 0) {
        perror("prefork: epoll_ctl");
        exit(1);
    }
    close(probe);
#endif
}
