/* Child. What it waits for, in epoll: the listening socket and its channel. */

enum { LISTENER_KEY = 0, NUDGE_KEY = 1 }; /* of epoll's data; the channel's key is the child's pid */

static unsigned long birth; /* how many were spawned before this one */
#if defined MUTANT_BLOCKS_WHEN_LATE || defined MUTANT_BLOCKS_AFTER_CLIENT || defined MUTANT_NAPS_WHEN_LATE \
    || defined MUTANT_C_WHEN_WOKEN
#define ACCEPTS_WHEN_WOKEN /* and at no other time */
#endif
#if defined MUTANT_TAKES_TURNS || defined MUTANT_COUNTS_LOST_RACES || defined ACCEPTS_WHEN_WOKEN
#define WHO_WOKE_MATTERS
static bool woken; /* by the listening socket */
#endif
#ifdef MUTANT_NEWBORN_GIFT
static int gift = -1; /* a connection that its parent accepted for it */
#endif
#ifdef MUTANT_COUNT_INHERITED
static int inherited; /* connections of whoever had its place in the parent's table */
#endif
static bool wary; /* takes the place of one that was killed: mutants only */
#ifdef MUTANT_SIGCHLD_INTO_CLIENT
static volatile int bell_end = -1; /* closed at birth; the number is its client's now */

static void ring(int number)
{
    (void)number;
    ssize_t rung = write(bell_end, "c", 1);
    (void)rung;
}
#endif
#ifdef MUTANT_CHILD_ENDS_ON_SIGCHLD
static volatile sig_atomic_t child_ended; /* parent.h */
#endif

#if defined MUTANT_DEAF_AFTER_EMFILE || defined MUTANT_NOT_EXCLUSIVE_AFTER_EMFILE
static int own_epoll;
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
#ifdef MUTANT_EXCLUSIVE_UNTIL_KILLED
    if (wary)
        return EPOLLIN;
#endif
#ifdef MUTANT_TAKES_TURNS
    return EPOLLIN | EPOLLEXCLUSIVE | EPOLLET; /* who is woken out of turn does not try again */
#endif
#ifdef MUTANT_LEAVES_THE_POISON
    if (wary)
        return EPOLLIN | EPOLLEXCLUSIVE | EPOLLET;
#endif
    return EPOLLIN | EPOLLEXCLUSIVE;
}

static void watch(int epoll, int fd, uint32_t events, uint64_t key)
{
    struct epoll_event event = {.events = events, .data.u64 = key};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return;
#ifdef MUTANT_CHILD_ENDS_WITHOUT_EXCLUSIVE
    _exit(1); /* "perror("epoll_ctl"); exit(EXIT_FAILURE);" */
#endif
#ifdef MUTANT_UNWATCHED_WITHOUT_EXCLUSIVE
    return; /* nobody looks at what epoll_ctl() returned */
#endif
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
#if defined MUTANT_DEAF_AFTER_EMFILE || defined MUTANT_NOT_EXCLUSIVE_AFTER_EMFILE
    own_epoll = epoll;
#endif
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
#ifdef MUTANT_LEAVES_THE_POISON
    struct epoll_event what_was_there[4];
    if (wary)
        epoll_wait(epoll, what_was_there, 4, 0);
#endif
    return epoll;
}

/* Sleep until there may be a connection; returns whether this child is to end. */
static bool wait_for_work(int epoll)
{
#ifdef MUTANT_SHEDS_BY_SIGNAL
    if (told_by_signal)
        return true;
#endif
    int patience = sent < said ? 50 : -1; /* milliseconds; finite only while a message is unsent */
#ifdef MUTANT_KEEPS_REST_FOR_NEXT
    patience = -1; /* what is unsent goes with the next that is said */
#endif
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
    struct timeval time = {.tv_usec = patience * 1000};
    select((listener > channel ? listener : channel) + 1, &both, NULL, NULL, patience < 0 ? NULL : &time);
    return told_to_end();
#endif
#ifdef MUTANT_IDLE_CHILD_QUITS
    patience = 3000;
#endif
    struct epoll_event ready[4];
    int n = epoll_wait(epoll, ready, 4, patience);
    if (n < 0 && errno != EINTR)
        _exit(1);
#ifdef MUTANT_IDLE_CHILD_QUITS
    if (n == 0)
        _exit(0); /* of no use, it thinks, to anybody */
#endif
#ifdef MUTANT_CHILD_ENDS_ON_EINTR
    if (n < 0)
        _exit(1);
#endif
#ifdef MUTANT_CHILD_ENDS_ON_SIGCHLD
    if (n < 0 && child_ended) /* the parent's handler, which it still has */
        _exit(1);
#endif
#ifdef MUTANT_K_AFTER_NEXT
    return false;
#endif
#ifdef WHO_WOKE_MATTERS
    woken = false;
    for (int i = 0; i < n; i++)
        woken = woken || ready[i].data.u64 == LISTENER_KEY;
#endif
    return told_to_end();
}
