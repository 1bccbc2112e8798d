/* Parent of prompt.c, before the first child and when all are to end. */

/* The logger ends with its input; nobody is to be left when the parent is gone. */
static void stop_logger(void)
{
#ifdef VARIANT_LOGGER
    if (logger > 0) {
        close(to_logger);
        waitpid(logger, NULL, 0);
    }
#endif
}

static void refuse(const char *why)
{
    fprintf(stderr, "prompt: %s\n", why);
    stop_logger();
    exit(1);
}

static int argument(const char *text, long least, long most, const char *why)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || end == text || value < least || value > most)
        refuse(why);
    return (int)value;
}

static void read_arguments(int argc, char **argv)
{
    if (argc < 5 || argc > 6)
        refuse("PORT MIN_SPARE MAX_SPARE MAX_CONNECTIONS [MAX_CHILDREN]");
    set.port = argument(argv[1], 1, 65535, "no such port");
    set.low = argument(argv[2], 1, 1000, "min_spare is to be 1 to 1000");
    set.high = argument(argv[3], set.low, 1000, "max_spare is to be min_spare to 1000");
    set.connections = argument(argv[4], 1, 1000000000, "max_connections is to be 1 or more");
    set.limit = argc > 5 ? argument(argv[5], 1, 1000, "max_children is to be 1 to 1000") : 250;
}

static void open_listener(void)
{
    int yes = 1;
#ifdef VARIANT_IPV6
    int no = 0;
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((in_port_t)set.port)};
    listener = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
#else
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)set.port)};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
#endif
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, SOMAXCONN) < 0)
        refuse(strerror(errno));
#ifdef VARIANT_DEFERS
    int seconds = 30;
    setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
#endif
#ifdef VARIANT_ACCEPT_LOCK
    lock_file = memfd_create("accept", MFD_CLOEXEC);
#endif
}

/* Writes down what it is told through a pipe, and ends with it. Started ahead of the listening socket, so that it
 * holds nothing of the pool's. */
static void start_logger(void)
{
#ifdef VARIANT_LOGGER
    int ends[2];
    if (pipe(ends) < 0)
        refuse("no pipe");
    logger = fork();
    if (logger == 0) {
        char lines[512];
        close(ends[1]);
        signal(SIGINT, SIG_IGN);
        for (ssize_t n; (n = read(ends[0], lines, sizeof lines)) > 0;)
            if (write(2, lines, (size_t)n) < 0)
                break;
        _exit(0);
    }
    close(ends[0]);
    to_logger = ends[1];
    fcntl(to_logger, F_SETFD, FD_CLOEXEC);
#endif
}

static void finish(void)
{
    close(listener);
    for (struct child *child = children; child; child = child->next)
        kill(child->pid, SIGTERM);
    for (int waited = 0; children; waited++) {
        usleep(5000);
        reap();
        if (waited == 2000 / 5)
            for (struct child *child = children; child; child = child->next)
                kill(child->pid, SIGKILL);
    }
    stop_logger();
    exit(0);
}

/* The bell tells of ended children (c) and of the wish to end (t). */
static void answer_the_bell(void)
{
    char rings[64];
    ssize_t n = read(doorbell[0], rings, sizeof rings);
    if (n > 0 && memchr(rings, 't', (size_t)n))
        finish();
}
