/* Parent. Sleep until a child speaks or ends, or `due` milliseconds have passed (-1: no limit), and hear it. */

static void hear_all(void)
{
    for (int i = 0; i < MOST_CHILDREN; i++)
        hear(&pool[i]);
}

#if defined MUTANT_POLLS_IN_PARENT

static void wait_for_messages(int due, const sigset_t *mask)
{
    static struct pollfd channels[MOST_CHILDREN];
    struct timespec patience = {.tv_sec = due / 1000, .tv_nsec = due % 1000 * 1000000L};
    for (int i = 0; i < MOST_CHILDREN; i++)
        channels[i] = (struct pollfd){.fd = pool[i].state == EMPTY ? -1 : pool[i].channel, .events = POLLIN};
    if (ppoll(channels, MOST_CHILDREN, due < 0 ? NULL : &patience, mask) > 0)
        hear_all();
}

#elif defined MUTANT_PARENT_READS_BY_CLOCK

static void wait_for_messages(int due, const sigset_t *mask)
{
    struct timespec round = {.tv_nsec = (due < 0 || due > 50 ? 50 : due) * 1000000L};
    ppoll(NULL, 0, &round, mask); /* sleeps, and then asks everybody */
    hear_all();
}

#else

static void wait_for_messages(int due, const sigset_t *mask)
{
    struct epoll_event ready[64];
#ifdef MUTANT_SPINNING_PARENT
    due = 0;
#endif
#ifdef MUTANT_PARENT_SKIPS_NEWBORNS
    due = due < 0 || due > 50 ? 50 : due;
    hear_all();
#endif
#ifdef MUTANT_RESTARTS_AFTER_GAP
    due = due < 0 || due > 100 ? 100 : due; /* a heart that beats */
    long before = now();
#endif
    int n = epoll_pwait(epoll, ready, 64, due, mask);
#ifdef MUTANT_PARENT_ENDS_ON_EINTR
    if (n < 0 && !child_ended && !asked_to_end) { /* it knows its own signals; any other EINTR is an error */
        perror("epoll_wait");
        exit(1);
    }
#endif
#ifdef MUTANT_RESTARTS_AFTER_GAP
    for (int i = 0; now() - before > 400 && i < MOST_CHILDREN; i++)
        if (pool[i].state != EMPTY && pool[i].pid > 0) /* nothing was heard of it for so long */
            kill(pool[i].pid, SIGKILL);
#endif
#ifdef MUTANT_TICKS_IN_SILENCE
    heard_now = n > 0;
#endif
    for (int i = 0; i < n; i++) {
        if (ready[i].data.u32 == PARENT_LISTENS)
            parent_takes_one();
        else if (ready[i].data.u32 == PARENTS_BELL)
            asked_to_end = 1;
        else
            hear(&pool[ready[i].data.u32]);
    }
}

#endif
